//! Running `ip` and `nft`.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::LabError;

/// Runs `command` to its end with `input` on its stdin and returns its stdout.
pub(crate) fn run(command: &mut Command, input: &str) -> Result<String, LabError> {
    let shown = shown(command);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(LabError::io(format!("run `{shown}`")))?;
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().map_err(LabError::io(format!("wait for `{shown}`")))?;
    if !output.status.success() {
        return Err(LabError::Tool {
            command: shown,
            status: output.status,
            stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        });
    }
    written.map_err(LabError::io(format!("write to `{shown}`")))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command line, for messages.
pub(crate) fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}
