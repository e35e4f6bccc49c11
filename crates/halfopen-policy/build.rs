//! Compiles the policy, which is C headers of the kernel part, for this machine, and makes what these headers share with
//! Rust into Rust.

use bindgen::callbacks::{IntKind, ParseCallbacks};
use std::path::PathBuf;
use std::{env, fs};

const BPF: &str = "../halfopen-bpf/bpf";

fn main() {
    for source in fs::read_dir(BPF).expect("the kernel part's sources stand beside this crate").flatten() {
        println!("cargo::rerun-if-changed={}", source.path().display());
    }
    let mut native = cc::Build::new();
    native.file(format!("{BPF}/native.c")).include(BPF).warnings(true);
    println!("cargo::rerun-if-env-changed=HALFOPEN_SANITIZE");
    if env::var_os("HALFOPEN_SANITIZE").is_some() {
        native.flag("-fsanitize=address,undefined").flag("-fno-sanitize-recover=all");
        // rustc links without the compiler's own libraries.
        println!("cargo::rustc-link-arg=-lasan");
        println!("cargo::rustc-link-arg=-lubsan");
    }
    println!("cargo::rerun-if-env-changed=HALFOPEN_FUZZ");
    if env::var_os("HALFOPEN_FUZZ").is_some() {
        native.compiler("clang").flag("-fsanitize-coverage=inline-8bit-counters,pc-table,trace-cmp");
        native.flag("-fsanitize=undefined").flag("-fsanitize-trap=all");
    }
    if env::var_os("CARGO_FEATURE_NATIVE_AT_RUN_TIME").is_some() {
        link_at_run_time(&mut native);
    } else {
        native.compile("halfopen_native");
    }
    bind("abi.h", |builder| builder.allowlist_file(".*/abi\\.h"));
    bind("native.h", |builder| {
        builder.allowlist_file(".*/native\\.h").blocklist_file(".*/abi\\.h").raw_line("use crate::abi::*;")
    });
}

/// `xtask mutate` puts libraries of changed headers in place of this one.
fn link_at_run_time(native: &mut cc::Build) {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let mut compiler = native.pic(true).get_compiler().to_command();
    compiler.arg("-shared").arg(format!("{BPF}/native.c")).arg("-o").arg(out.join("libhalfopen_native.so"));
    assert!(compiler.status().expect("the C compiler runs").success(), "the policy compiles as a library");
    println!("cargo::rustc-link-search=native={}", out.display());
    println!("cargo::rustc-link-lib=dylib=halfopen_native");
}

/// Makes `header` into a Rust source of its name. Its compiler checks sizes and offsets.
fn bind(header: &str, choose: impl FnOnce(bindgen::Builder) -> bindgen::Builder) {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let builder = bindgen::Builder::default()
        .header(format!("{BPF}/{header}"))
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .derive_default(true)
        .use_core()
        .parse_callbacks(Box::new(Wide));
    choose(builder)
        .generate()
        .unwrap_or_else(|error| {
            panic!("making {header} into Rust: {error}. It needs libclang, which comes with clang")
        })
        .write_to_file(out.join(header).with_extension("rs"))
        .expect("OUT_DIR can be written");
}

/// Macros of 64 bits, of which bindgen sees the number but not the suffix.
#[derive(Debug)]
struct Wide;

impl ParseCallbacks for Wide {
    fn int_macro(&self, name: &str, _: i64) -> Option<IntKind> {
        ["ALL_ACCOUNTS", "RECORD_ENDS", "USER_IS_NAMESPACE", "WHOLE_TOP", "OTHER_PARTS"]
            .contains(&name)
            .then_some(IntKind::U64)
    }
}
