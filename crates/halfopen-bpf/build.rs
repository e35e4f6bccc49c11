//! Compiles the kernel part and its skeleton.

use libbpf_cargo::SkeletonBuilder;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

/// The first clang that knows everything used here (atomics with results, `-mcpu=v3`, CO-RE by attribute).
const OLDEST_CLANG: u32 = 14;

fn main() {
    for header in fs::read_dir("bpf").expect("bpf/ stands beside build.rs").flatten() {
        println!("cargo::rerun-if-changed={}", header.path().display());
    }
    println!("cargo::rerun-if-env-changed=CLANG");
    let clang = env::var("CLANG").unwrap_or_else(|_| "clang".to_owned());
    check_clang(&clang);

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets the target's architecture");
    // Debian keeps asm/types.h apart by architecture; clang looks there for itself only when it compiles for the host.
    let multiarch = format!("-I/usr/include/{arch}-linux-gnu");
    for name in ["halfopen", "recording"] {
        let source = format!("bpf/{name}.bpf.c");
        SkeletonBuilder::new()
            .source(&source)
            .clang(&clang)
            .clang_args([
                OsStr::new(&multiarch),
                OsStr::new("-mcpu=v3"),
                OsStr::new("-Wall"),
                OsStr::new("-Werror"),
            ])
            .build_and_generate(out.join(format!("{name}.skel.rs")))
            .unwrap_or_else(|error| panic!("compiling {source}: {error:#}"));
    }
}

fn check_clang(clang: &str) {
    let output = Command::new(clang).arg("-dumpversion").output().unwrap_or_else(|error| {
        panic!("running {clang}: {error}. Install clang (apt-get install clang) or set CLANG to its path")
    });
    let version = String::from_utf8_lossy(&output.stdout);
    let major = version.split('.').next().and_then(|major| major.trim().parse::<u32>().ok());
    assert!(
        major.is_some_and(|major| major >= OLDEST_CLANG),
        "{clang} is of version {version:?}: clang {OLDEST_CLANG} or newer is needed (apt-get install clang, or set CLANG)"
    );
}
