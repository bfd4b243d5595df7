//! The inputs from outside, with what must hold of each: those of the test `hostile_inputs`.

#![allow(dead_code, unreachable_pub, reason = "shared with the tests")]

#[path = "../tests/it/support/hostile_inputs.rs"]
mod hostile_inputs;
#[path = "../tests/it/support/recorded.rs"]
mod recorded;

use hostile_inputs::INPUTS;

/// Checks the bytes as the input of this name.
pub fn check(name: &str, bytes: &[u8]) {
    let input = INPUTS.iter().find(|input| input.name == name);
    (input.expect("each binary has the name of an input").check)(bytes);
}

/// The seeds of the input of this name.
pub fn seeds(name: &str) -> Vec<Vec<u8>> {
    let input = INPUTS.iter().find(|input| input.name == name);
    input.map_or_else(Vec::new, hostile_inputs::Input::seeds)
}
