//! `process-guard PROGRAM ARGUMENTS…` runs a program that must not outlive the process at the other end of stdin.
//!
//! Each line on stdin is the name of a signal to send to the program (`TERM`, `INT`, `KILL`, `STOP`, `CONT`). When stdin
//! closes, the program is killed together with its own children. The exit status is the program's own, or 128 +
//! the number of the signal that ended it.

use std::{
    io::{BufRead as _, Write as _},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    process::{Command, ExitCode, Stdio},
};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        return fail("usage: process-guard PROGRAM ARGUMENTS…");
    };
    let mut child = match Command::new(&program)
        .args(arguments)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
    {
        Ok(child) => child,
        Err(error) => return fail(&format!("starting {}: {error}", program.display())),
    };
    let process = child.id().to_string();
    std::thread::spawn(move || {
        for name in std::io::stdin().lock().lines() {
            match name {
                Ok(name) => send(&name, &process),
                Err(_) => break,
            }
        }
        // The whole process group, which the program's own children are in.
        send("KILL", &format!("-{process}"));
    });
    match child.wait() {
        Ok(status) => {
            let code = status
                .code()
                .unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
            ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
        }
        Err(error) => fail(&format!("waiting for {}: {error}", program.display())),
    }
}

/// The standard library can only kill; the shell's own `kill` is on every Unix, and needs no unsafe code here.
fn send(signal: &str, process: &str) {
    let _ = Command::new("sh")
        .args(["-c", r#"kill -s "$1" -- "$2""#, "sh", signal, process])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

fn fail(sentence: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "process-guard: {sentence}");
    ExitCode::from(125)
}
