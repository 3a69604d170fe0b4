//! Makes what a browser loads from what cargo built for `wasm32-unknown-unknown`:
//! `leptos-glue client.wasm folder`.

use std::env;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [wasm, folder] = arguments.as_slice() else {
        return Err("give the .wasm that cargo built, and the folder to write to".into());
    };
    let mut bindgen = wasm_bindgen_cli_support::Bindgen::new();
    bindgen
        .input_path(wasm)
        .web(true)?
        .typescript(false)
        .omit_default_module_path(false);
    Ok(bindgen.generate(folder)?)
}
