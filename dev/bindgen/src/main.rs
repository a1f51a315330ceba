//! Turns the compiled library into the bundle's WebAssembly module and its JavaScript, as the `wasm-bindgen` command does with
//! the same arguments. `dev/build.js` passes them to whichever of the two it finds.

use std::env;
use std::error::Error;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<(), Box<dyn Error>> {
    let mut bindgen = Bindgen::new();
    let mut out_dir = None;
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "--target" if value()? == "module" => bindgen.module(true)?,
            "--out-name" => bindgen.out_name(&value()?),
            "--out-dir" => {
                out_dir = Some(value()?);
                continue;
            }
            "--no-typescript" => bindgen.typescript(false),
            "--remove-name-section" => bindgen.remove_name_section(true),
            "--experimental-reset-state-function" => bindgen.reset_state_function(true),
            "--force-enable-abort-handler" => bindgen.force_enable_abort_handler(true),
            flag if flag.starts_with('-') => return Err(format!("unknown argument {flag}").into()),
            input => bindgen.input_path(input),
        };
    }
    bindgen.generate(out_dir.ok_or("--out-dir is missing")?)?;
    Ok(())
}
