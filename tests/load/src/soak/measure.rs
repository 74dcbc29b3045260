//! What operators take of the machine, minute by minute, and whether it grows.

use std::fmt::Write as _;

use ras_tests::Usage;

/// A look at one process.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Since the soak began.
    pub minute: f64,
    pub who: &'static str,
    pub life: u64,
    pub usage: Usage,
}

/// KiB a minute by which the own memory of a process that lives all the time may grow in the second half. Three MiB an hour are what an allocator's coming and going looks like; a leak of an object an edit would be more.
pub const MOST_GROWTH: f64 = 50.0;
/// Descriptors by which the end may differ from the middle: connections come and go with faults.
pub const MOST_DESCRIPTORS: usize = 8;
/// Below this there is no half that means anything.
pub const LEAST_MINUTES: f64 = 20.0;

/// The slope of a line through points by least squares, or nothing where there is none.
pub fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = f64::from(u32::try_from(points.len()).ok()?);
    if count < 3.0 {
        return None;
    }
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (middle, level) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|(x, _)| (x - middle).powi(2)).sum();
    let rise: f64 = points.iter().map(|(x, y)| (x - middle) * (y - level)).sum();
    (spread > 0.0).then(|| rise / spread)
}

/// Samples of the operator process that ran the whole time.
pub struct Steady<'samples>(pub Vec<&'samples Sample>);

impl Steady<'_> {
    pub fn minutes(&self) -> f64 {
        self.0.last().map_or(0.0, |last| last.minute)
    }

    fn second_half(&self) -> Vec<&Sample> {
        let middle = self.minutes() / 2.0;
        self.0
            .iter()
            .copied()
            .filter(|sample| sample.minute >= middle)
            .collect()
    }

    /// KiB a minute in the second half.
    pub fn growth(&self) -> Option<f64> {
        let points: Vec<(f64, f64)> = self
            .second_half()
            .iter()
            .map(|sample| (sample.minute, own(sample)))
            .collect();
        slope(&points)
    }

    /// Median number of descriptors in the second quarter and in the last.
    pub fn descriptors(&self) -> (usize, usize) {
        let minutes = self.minutes();
        let median = |from: f64, to: f64| {
            let within = |sample: &&&Sample| (from..=to).contains(&(sample.minute / minutes));
            let mut found: Vec<usize> = self
                .0
                .iter()
                .filter(within)
                .map(|sample| sample.usage.descriptors)
                .collect();
            found.sort_unstable();
            found.get(found.len() / 2).copied().unwrap_or_default()
        };
        (median(0.25, 0.5), median(0.75, 1.0))
    }

    /// Problems of the samples.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.minutes() < LEAST_MINUTES {
            return faults;
        }
        if let Some(growth) = self.growth()
            && growth > MOST_GROWTH
        {
            faults.push(format!(
                "memory grows by {growth:.0} KiB a minute; at most {MOST_GROWTH:.0} may be chance"
            ));
        }
        let (before, after) = self.descriptors();
        if after > before + MOST_DESCRIPTORS {
            faults.push(format!(
                "file descriptors grow: {before} in the second quarter, {after} in the last"
            ));
        }
        faults
    }
}

fn own(sample: &Sample) -> f64 {
    u32::try_from(sample.usage.memory.own).map_or(f64::NAN, f64::from)
}

/// One line of a sample.
pub fn line(sample: &Sample) -> String {
    let Usage {
        memory,
        descriptors,
        threads,
        processor,
    } = sample.usage;
    let mut line = format!("{:>6} #{:<3}", sample.who, sample.life);
    let mib = |kib: u64| f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0;
    let _ = write!(
        line,
        " {:>5.1} MiB, {:>5.1} of its own (most {:>5.1}) {descriptors:>3} fds {threads:>3} threads {:>6.1} s of processor",
        mib(memory.resident),
        mib(memory.own),
        mib(memory.highest),
        processor.as_secs_f64(),
    );
    line
}

#[cfg(test)]
mod tests {
    use ras_tests::{Memory, Usage};

    use super::{Sample, Steady};

    fn samples(own: impl Fn(u32) -> u64, descriptors: impl Fn(u32) -> usize) -> Vec<Sample> {
        (0..60)
            .map(|minute| Sample {
                minute: f64::from(minute),
                who: "steady",
                life: 1,
                usage: Usage {
                    memory: Memory {
                        resident: 0,
                        highest: 0,
                        own: own(minute),
                    },
                    descriptors: descriptors(minute),
                    threads: 3,
                    processor: std::time::Duration::ZERO,
                },
            })
            .collect()
    }

    fn faults(samples: &[Sample]) -> Vec<String> {
        Steady(samples.iter().collect()).faults()
    }

    #[test]
    fn what_wavers_is_flat_and_what_leaks_is_not() {
        // Warm-up, then a megabyte up and down.
        let wavers = samples(
            |minute| 20_000 + u64::from(minute.min(10)) * 900 + u64::from(minute % 2) * 1_000,
            |_| 14,
        );
        assert_eq!(faults(&wavers), Vec::<String>::new());
        let leaks = samples(|minute| 20_000 + u64::from(minute) * 100, |_| 14);
        assert!(
            faults(&leaks).concat().contains("memory grows by 100 KiB"),
            "{:?}",
            faults(&leaks)
        );
        let opens = samples(|_| 20_000, |minute| 14 + usize::try_from(minute).unwrap());
        assert!(
            faults(&opens).concat().contains("descriptors grow"),
            "{:?}",
            faults(&opens)
        );
    }
}
