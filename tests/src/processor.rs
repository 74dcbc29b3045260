use std::{fs, time::Duration};

use crate::Error;

/// Linux' unit of processor time in `/proc`, on every architecture it runs on: a hundredth of a second.
const TICK: Duration = Duration::from_millis(10);

/// Processor time that a process has had since it was started, of all its threads, in and outside of the kernel.
pub fn processor_time(process: u32) -> Result<Duration, Error> {
    let file = format!("/proc/{process}/stat");
    let text = fs::read_to_string(&file).map_err(Error::io(format!("reading {file}")))?;
    // The name in the second field may hold anything; after its parenthesis there are only numbers and letters.
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    let mut ticks = fields
        .split_whitespace()
        .skip(11)
        .map_while(|field| field.parse::<u32>().ok());
    match (ticks.next(), ticks.next()) {
        (Some(user), Some(system)) => Ok(TICK * user.saturating_add(system)),
        _ => Err(Error::unreadable(file)(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_costs_processor_time() {
        let before = processor_time(std::process::id()).unwrap();
        let started = std::time::Instant::now();
        let mut sum = 0_u64;
        while started.elapsed() < Duration::from_millis(200) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(processor_time(std::process::id()).unwrap() > before);
    }
}
