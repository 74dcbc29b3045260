use std::{fs, time::Duration};

use crate::{Error, Memory, Operator, memory::number, processor_time};

/// Resources of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub memory: Memory,
    pub descriptors: usize,
    pub threads: usize,
    /// Processor time since it began.
    pub processor: Duration,
}

impl Operator {
    /// Reads its resources from `/proc`.
    pub fn usage(&self) -> Result<Usage, Error> {
        let process = number(self.process())?;
        let folder = format!("/proc/{process}");
        let entries = |name: &str| {
            let path = format!("{folder}/{name}");
            fs::read_dir(&path)
                .map(Iterator::count)
                .map_err(Error::io(format!("listing {path}")))
        };
        Ok(Usage {
            memory: self.memory()?,
            descriptors: entries("fd")?,
            threads: entries("task")?,
            processor: processor_time(process)?,
        })
    }
}
