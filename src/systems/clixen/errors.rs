//! The errors of clixen's Rust. Status, code, name, message, hint.

catalogue! {
    WORKFLOW_INVALID UNPROCESSABLE_ENTITY "RG317" "workflow_invalid" "The workflow cannot be deployed as it is" "Correct what the details name; POST /v1/workflows/validate?deploy=true says where and how."
    N8N_CONFLICT CONFLICT "RG318" "n8n_conflict" "The workflow conflicts with another one in n8n, or with a pending review" "Choose another path for the webhook that the details name, then deploy again."
    N8N_REJECTED_WORKFLOW UNPROCESSABLE_ENTITY "RG319" "n8n_rejected_workflow" "n8n refused the workflow" "Correct what n8n names, then deploy again."
    N8N_FAILED BAD_GATEWAY "RG405" "n8n_failed" "n8n does not run the workflow" "Deploy again with a new Idempotency-Key. If it fails again, ask the operator."
    // The database raises it as well; the edge answers alike.
    WORKFLOW_NOT_FOUND NOT_FOUND "RG522" "workflow_not_found" "You have no such workflow" "It was deleted in the meantime."
}
