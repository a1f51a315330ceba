//! The errors of observatory's Rust. Status, code, name, message, hint.

catalogue! {
    FILE_NOT_TEXT UNSUPPORTED_MEDIA_TYPE "RG333" "file_not_text" "The file is not text in UTF-8" "Send files of text: outputs of tools, .meta.json, journals and snapshots."
}
