//! The rules: each one's code and texts. `{}` is a placeholder for a name; the placeholders of `fix` continue those of
//! `message`. `docs/errors.md` lists all rules.

/// A code and its texts. `fix` begins in lower case, because "Take `fixed`, or" may precede it.
pub struct Rule {
    /// The code, for programs.
    pub code: &'static str,
    /// What is wrong.
    pub message: &'static str,
    /// What to do.
    pub fix: &'static str,
}

/// Makes a constant of each, and a list of all for the tests.
macro_rules! rules {
    ($($name:ident $code:literal $message:literal $fix:literal)*) => {
        $(pub static $name: Rule = Rule { code: $code, message: $message, fix: $fix };)*
        #[cfg(test)]
        pub const ALL: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    TOO_DEEP "too_deep" "The workflow has more than 64 levels of objects and arrays." "flatten its parameters."
    TOO_MANY_NODES "too_many_nodes" "The workflow has more than 500 nodes." "move parts of it into workflows of their own, called by Execute Workflow."
    TOO_MANY_CONNECTIONS "too_many_connections" "The workflow has more than 5,000 connections." "move parts of it into workflows of their own, called by Execute Workflow."
    NODE_NAME_TOO_LONG "node_name_too_long" "The name of a node has more than 255 characters." "shorten it, and the connections with it."
    MORE_FINDINGS "more_findings" "There are more findings than this list has." "Correct these and validate again."
    BYTE_ORDER_MARK "byte_order_mark" "The workflow begins with a byte order mark, which n8n's API refuses." "save the file as UTF-8 without a byte order mark."
    WORKFLOW_WRAPPED "workflow_wrapped" "The workflow is inside an array or an object, as [{...}], {\"data\": {...}} or {\"workflow\": {...}}. Paths of findings begin at the workflow itself." "send the workflow itself."
    NAME_MISSING "name_missing" "The workflow has no name." "give it a name of 1 to 128 characters."
    NAME_TOO_LONG "name_too_long" "The workflow's name has more than 128 characters." "shorten it."
    NODES_MISSING "nodes_missing" "The workflow has no list of nodes." "send an object with `nodes`, an array, as n8n exports it."
    CONNECTIONS_MISSING "connections_missing" "The workflow has no connections." "send `connections`, an object, empty if there are none."
    CONNECTIONS_INVALID "connections_invalid" "`connections` is not an object." "send {\"<name of the source>\": {\"main\": [[{\"node\": \"<name of the target>\", \"type\": \"main\", \"index\": 0}]]}}."
    SETTINGS_MISSING "settings_missing" "The workflow has no settings." "send `settings`, such as {\"executionOrder\": \"v1\"}."
    SETTINGS_EMPTY "settings_empty" "The settings are empty, so n8n runs the nodes in the order of its first version." "set {\"executionOrder\": \"v1\"}."
    SETTING_UNKNOWN "setting_unknown" "n8n's API does not accept the setting \"{}\"." "leave it out."
    SETTING_INVALID "setting_invalid" "The setting \"{}\" must be {}." "correct it, or leave it out for the default of the instance."
    NODE_INVALID "node_invalid" "A node is not an object." "replace it by a node with id, name, type, typeVersion, position and parameters."
    NODE_ID_MISSING "node_id_missing" "The node \"{}\" has no id." "give it one that no other node has."
    NODE_ID_DUPLICATE "node_id_duplicate" "The node \"{}\" has the id of another node." "give it one of its own."
    NODE_NAME_MISSING "node_name_missing" "The node \"{}\" has no name." "give it one that no other node has."
    NODE_NAME_DUPLICATE "node_name_duplicate" "Several nodes are called \"{}\", and connections refer to nodes by name." "rename all but one, and the connections with them."
    NODE_TYPE_MISSING "node_type_missing" "The node \"{}\" has no type." "set one, such as n8n-nodes-base.httpRequest."
    NODE_TYPE_INVALID "node_type_invalid" "The node \"{}\" has the type \"{}\", which is not <package>.<name>." "set one, such as n8n-nodes-base.httpRequest."
    NODE_TYPE_PREFIX "node_type_prefix" "The type \"{}\" of the node \"{}\" lacks its package." "write {}."
    NODE_TYPE_UNKNOWN "node_type_unknown" "The type \"{}\" of the node \"{}\" is not in n8n's own packages." "make sure that the instance has it installed."
    NODE_TYPE_VERSION_MISSING "node_type_version_missing" "The node \"{}\" has no typeVersion, a number above 0." "set the version that its parameters are meant for."
    NODE_POSITION_INVALID "node_position_invalid" "The node \"{}\" has no position of two numbers." "set one, such as [240, 300]."
    NODE_PARAMETERS_MISSING "node_parameters_missing" "The node \"{}\" has no parameters." "set an object, empty if there are none."
    NODE_PARAMETERS_INVALID "node_parameters_invalid" "The parameters of the node \"{}\" are not an object." "set an object of parameters by name."
    NODE_FIELD_UNKNOWN "node_field_unknown" "n8n's API does not accept the field \"{}\", which the node \"{}\" has." "leave it out; what configures a node belongs in `parameters`."
    NODE_FIELD_INVALID "node_field_invalid" "The field \"{}\" of the node \"{}\" must be {}." "correct it or leave it out."
    CONNECTION_STALE "connection_stale" "Connections start at the node \"{}\", which does not exist, and lead nowhere; n8n refuses them." "leave them out."
    CONNECTION_SOURCE_UNKNOWN "connection_source_unknown" "Connections start at the node \"{}\", which does not exist." "use the exact name of a node."
    CONNECTION_TARGET_UNKNOWN "connection_target_unknown" "A connection leads to the node \"{}\", which does not exist; it starts at \"{}\"." "use the exact name of a node."
    CONNECTION_BY_ID "connection_by_id" "A connection refers to the node \"{}\" by its id, \"{}\"." "use its name."
    CONNECTION_NAME_INEXACT "connection_name_inexact" "A connection refers to the node \"{}\" as \"{}\", which is not its exact name." "use its exact name."
    CONNECTION_SHAPE "connection_shape" "The connections of \"{}\" do not have the form that n8n reads." "write {\"main\": [[{\"node\": \"<name>\", \"type\": \"main\", \"index\": 0}]]}: a list for each output, in it an object for each target."
    CONNECTION_INCOMPLETE "connection_incomplete" "A connection from \"{}\" to \"{}\" lacks its type or its index." "write both, such as \"type\": \"main\", \"index\": 0."
    CONNECTION_PORT_UNKNOWN "connection_port_unknown" "The connections of \"{}\" start at \"{}\", which n8n does not know: it would not show or run them." "use main, whose list has an element for each output, or one of n8n's ai_ ports."
    CONNECTION_TYPE_UNKNOWN "connection_type_unknown" "A connection from \"{}\" to \"{}\" has the type \"{}\", which n8n does not know." "use the port that it starts at."
    CONNECTION_TYPE_DIFFERS "connection_type_differs" "A connection from \"{}\" to \"{}\" starts as {} and arrives as {}." "use the same for both."
    CONNECTION_INDEX_INVALID "connection_index_invalid" "The index of a connection from \"{}\" to \"{}\" is not a whole number from 0." "set the number of the target's input, 0 for the first."
    CONNECTION_OUTPUT_UNKNOWN "connection_output_unknown" "The node \"{}\" has no output {}: it has {}, counted from 0." "use one that it has, add the rule that makes it, or set onError to continueErrorOutput to get an output for errors."
    CONNECTION_INPUT_UNKNOWN "connection_input_unknown" "The node \"{}\" has no input {}: it has {}, counted from 0." "use one that it has; a Merge has as many as its numberInputs."
    CONNECTION_INTO_TRIGGER "connection_into_trigger" "The trigger \"{}\" has an incoming connection; triggers have no input." "remove it."
    NO_EXECUTABLE_NODE "no_executable_node" "No node does anything: sticky notes are not run." "add a trigger and a node that it starts."
    NODE_ALONE "node_alone" "The only node \"{}\" is not a trigger, so nothing starts it." "add a trigger and connect it."
    CONNECTIONS_NONE "connections_none" "The workflow has several nodes and no connections, so no node runs after another." "connect them, from the trigger on."
    NODE_DISCONNECTED "node_disconnected" "The node \"{}\" is not connected to anything." "connect it, disable it or remove it."
    TRIGGER_DISCONNECTED "trigger_disconnected" "The trigger \"{}\" starts nothing." "connect it or remove it."
    NODE_UNREACHABLE "node_unreachable" "No trigger leads to the node \"{}\"." "connect it to a node that a trigger starts."
    TRIGGER_MISSING "trigger_missing" "Nothing starts the workflow by itself: it has no enabled trigger, or only manual ones." "add a trigger such as a webhook or a schedule, and connect it."
    AI_MODEL_MISSING "ai_model_missing" "The node \"{}\" needs a language model that is not disabled." "connect a chat model's ai_languageModel to it, with the model as the source."
    CONDITIONS_INVALID "conditions_invalid" "A condition of the node \"{}\" does not have the form of its version." "write {\"leftValue\": ..., \"rightValue\": ..., \"operator\": {\"type\": \"string\", \"operation\": \"equals\"}} in a list `conditions`."
    WEBHOOK_ID_MISSING "webhook_id_missing" "The node \"{}\" has no webhookId, without which its address may not be registered." "set a random UUID."
    WEBHOOK_ID_DUPLICATE "webhook_id_duplicate" "The node \"{}\" has the webhookId of another node, so both would have one address." "set a random UUID."
    WEBHOOK_PATH_MISSING "webhook_path_missing" "The webhook \"{}\" has no path." "set one that no other workflow of the instance has."
    WEBHOOK_PATH_DUPLICATE "webhook_path_duplicate" "The trigger \"{}\" has the method and the path of another trigger: {}." "change one of them."
    WEBHOOK_PATH_INVALID "webhook_path_invalid" "The path of the webhook \"{}\" is not a valid path." "write words between slashes, such as orders/new or orders/:id."
    WEBHOOK_METHOD_UNKNOWN "webhook_method_unknown" "The webhook \"{}\" has a method that n8n does not know." "use DELETE, GET, HEAD, PATCH, POST or PUT."
    WEBHOOK_SUFFIX_INVALID "webhook_suffix_invalid" "The webhook suffix of the node \"{}\" is not one word, so no call would resume the workflow." "write one word without slashes, or leave it out; a deployment takes no expression here."
    WORKFLOW_CALL_UNKNOWN "workflow_call_unknown" "The node \"{}\" runs a workflow that is not known in advance: an expression, a file, an address or unreadable JSON names it." "choose one of your own workflows by its id, write {{ $workflow.id }} for this one, or define the workflow below as plain JSON."
    INSTANCE_SHARED "instance_shared" "The node \"{}\" uses {}, which all users of an n8n share; a deployment refuses it." "keep the data in a database of your own, and use a credential for it."
    SECRET_IN_PARAMETERS "secret_in_parameters" "The parameters of the node \"{}\" seem to contain a secret." "store it as a credential of n8n, and revoke it if others have seen it."
}
