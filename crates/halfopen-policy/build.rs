//! Compiles the policy, which is a C header of the kernel part, for this machine.

use std::fs;

fn main() {
    let bpf = "../halfopen-bpf/bpf";
    for source in fs::read_dir(bpf).expect("the kernel part's sources stand beside this crate").flatten() {
        println!("cargo::rerun-if-changed={}", source.path().display());
    }
    let source = format!("{bpf}/native.c");
    cc::Build::new().file(source).include(bpf).warnings(true).compile("halfopen_native");
}
