use std::fs;

use crate::{Error, Memory, Operator, memory::number};

/// What a process takes of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Memory.
    pub memory: Memory,
    /// Open file descriptors.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
    /// Processor time since it began, in hundredths of a second.
    pub processor: u64,
}

impl Operator {
    /// What it takes of the machine, as Linux tells.
    pub fn usage(&self) -> Result<Usage, Error> {
        let folder = format!("/proc/{}", number(self.process())?);
        let entries = |name: &str| {
            let path = format!("{folder}/{name}");
            fs::read_dir(&path)
                .map(Iterator::count)
                .map_err(Error::io(format!("listing {path}")))
        };
        let file = format!("{folder}/stat");
        let text = fs::read_to_string(&file).map_err(Error::io(format!("reading {file}")))?;
        // The fields after the program's name, which may hold anything: user and system time are the 14th and 15th of all.
        // Linux counts them in hundredths, whatever the kernel's own clock.
        let (_, fields) = text.rsplit_once(')').unwrap_or_default();
        let times = fields.split_whitespace().skip(11).take(2);
        Ok(Usage {
            memory: self.memory()?,
            descriptors: entries("fd")?,
            threads: entries("task")?,
            processor: times.filter_map(|time| time.parse::<u64>().ok()).sum(),
        })
    }
}
