use std::fs;

use crate::{Error, Operator, ProcessGuard};

/// How much memory a process has, in KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Resident memory now.
    pub resident: u64,
    /// The most it ever had.
    pub highest: u64,
    /// Memory without the program's file: pages of the file are read on first use, and dropped when memory is needed
    /// elsewhere.
    pub own: u64,
}

impl Operator {
    /// Reads its memory from `/proc`.
    pub fn memory(&self) -> Result<Memory, Error> {
        let process = self.process();
        let file = format!("/proc/{}/status", number(process)?);
        let text = fs::read_to_string(&file).map_err(Error::io(format!("reading {file}")))?;
        let kibibytes = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        kibibytes("VmRSS:")
            .zip(kibibytes("VmHWM:"))
            .zip(kibibytes("RssAnon:"))
            .map(|((resident, highest), own)| Memory { resident, highest, own })
            .ok_or_else(|| process.error(format!("{file} tells no memory: {text}")))
    }
}

/// The program's own process: the only child of its guard's main thread.
pub(crate) fn number(process: &ProcessGuard) -> Result<u32, Error> {
    let guard = process.guard_id();
    let file = format!("/proc/{guard}/task/{guard}/children");
    let text = fs::read_to_string(&file).map_err(Error::io(format!("reading {file}")))?;
    let first = text.split_whitespace().next().and_then(|number| number.parse().ok());
    first.ok_or_else(|| process.error("has no process"))
}
