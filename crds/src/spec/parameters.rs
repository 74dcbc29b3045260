//! Parameters of a PostgreSQL server that a drive may set: those that make it larger, quicker or more talkative. A list of
//! what is permitted, because others run programs, read files, load libraries, or take the server from those who use it.

/// What a parameter's value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// A whole number within bounds.
    Number(i64, i64),
    /// A number of 0 or more, perhaps with decimals.
    Decimal,
    /// An amount of memory or storage: `64MB`. PostgreSQL has a unit of its own for a number without one. Perhaps -1.
    Size,
    /// A length of time: `30s`, `5min`. PostgreSQL has a unit of its own for a number without one. Perhaps -1.
    Time,
    /// One of several words.
    Word(&'static [&'static str]),
    /// A time zone: `Asia/Kolkata`.
    Zone,
}

use ParameterKind::{Decimal, Number, Size, Time, Word, Zone};

const SWITCH: ParameterKind = Word(&["on", "off"]);

/// Every parameter that may be set, in the versions of PostgreSQL that a drive can name.
pub const PARAMETERS: [(&str, ParameterKind); 61] = [
    ("autovacuum_analyze_scale_factor", Decimal),
    ("autovacuum_analyze_threshold", Number(0, 1_000_000_000)),
    ("autovacuum_max_workers", Number(1, 64)),
    ("autovacuum_naptime", Time),
    ("autovacuum_vacuum_cost_delay", Time),
    ("autovacuum_vacuum_cost_limit", Number(-1, 10_000)),
    ("autovacuum_vacuum_scale_factor", Decimal),
    ("autovacuum_vacuum_threshold", Number(0, 1_000_000_000)),
    ("autovacuum_work_mem", Size),
    ("checkpoint_completion_target", Decimal),
    ("checkpoint_timeout", Time),
    ("client_connection_check_interval", Time),
    ("deadlock_timeout", Time),
    ("default_statistics_target", Number(1, 10_000)),
    (
        "default_transaction_isolation",
        Word(&["read committed", "repeatable read", "serializable"]),
    ),
    ("effective_cache_size", Size),
    ("effective_io_concurrency", Number(0, 1_000)),
    ("hash_mem_multiplier", Decimal),
    ("idle_in_transaction_session_timeout", Time),
    ("idle_session_timeout", Time),
    ("jit", SWITCH),
    ("lock_timeout", Time),
    ("log_autovacuum_min_duration", Time),
    ("log_checkpoints", SWITCH),
    ("log_connections", SWITCH),
    ("log_disconnections", SWITCH),
    ("log_lock_waits", SWITCH),
    ("log_min_duration_statement", Time),
    ("log_statement", Word(&["none", "ddl", "mod", "all"])),
    ("log_temp_files", Size),
    ("log_timezone", Zone),
    ("maintenance_io_concurrency", Number(0, 1_000)),
    ("maintenance_work_mem", Size),
    // Fewer would not leave enough for the operator beside those that superusers keep.
    ("max_connections", Number(20, 10_000)),
    ("max_locks_per_transaction", Number(10, 10_000)),
    ("max_parallel_maintenance_workers", Number(0, 1_024)),
    ("max_parallel_workers", Number(0, 1_024)),
    ("max_parallel_workers_per_gather", Number(0, 1_024)),
    ("max_prepared_transactions", Number(0, 10_000)),
    ("max_wal_size", Size),
    ("max_worker_processes", Number(1, 1_024)),
    ("min_wal_size", Size),
    ("random_page_cost", Decimal),
    ("seq_page_cost", Decimal),
    ("shared_buffers", Size),
    ("statement_timeout", Time),
    ("superuser_reserved_connections", Number(1, 10)),
    ("synchronous_commit", Word(&["on", "local", "off"])),
    ("tcp_keepalives_count", Number(0, 1_000)),
    ("tcp_keepalives_idle", Number(0, 1_000_000)),
    ("tcp_keepalives_interval", Number(0, 1_000_000)),
    ("temp_buffers", Size),
    ("temp_file_limit", Size),
    ("timezone", Zone),
    ("track_activity_query_size", Number(100, 1_048_576)),
    ("track_functions", Word(&["none", "pl", "all"])),
    ("track_io_timing", SWITCH),
    ("vacuum_cost_limit", Number(1, 10_000)),
    ("wal_buffers", Size),
    ("wal_compression", SWITCH),
    ("work_mem", Size),
];

/// Characters of a value.
pub const LONGEST_VALUE: usize = 64;

const NUMBER: &str = "^-?[0-9]{1,10}$";
const DECIMAL: &str = r"^[0-9]{1,6}(\.[0-9]{1,6})?$";
const SIZE: &str = "^(-1|[0-9]{1,10}(B|kB|MB|GB|TB)?)$";
const TIME: &str = "^(-1|[0-9]{1,9}(us|ms|s|min|h|d)?)$";
const ZONE: &str = "^[A-Za-z][A-Za-z0-9_+/-]*$";

impl ParameterKind {
    /// How a value is written, for people.
    pub fn words(self) -> String {
        match self {
            Number(least, most) => format!("a whole number from {least} to {most}"),
            Decimal => "a number of 0 or more, such as 0.05".to_owned(),
            Size => "an amount in B, kB, MB, GB or TB, such as 64MB".to_owned(),
            Time => "a length of time in us, ms, s, min, h or d, such as 30s".to_owned(),
            Word(words) => format!("one of {}", words.join(", ")),
            Zone => "a time zone, such as Asia/Kolkata".to_owned(),
        }
    }

    /// Whether a value is one of this kind. The same as the rules of the definition.
    pub fn is(self, value: &str) -> bool {
        let is_digits = |text: &str, most: usize| {
            !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        let is_amount = |most: usize, units: &[&str]| {
            let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
            let (number, unit) = value.split_at(end);
            value == "-1" || is_digits(number, most) && (unit.is_empty() || units.contains(&unit))
        };
        match self {
            Number(least, most) => {
                is_digits(value.strip_prefix('-').unwrap_or(value), 10)
                    && value.parse().is_ok_and(|number: i64| (least..=most).contains(&number))
            }
            Decimal => match value.split_once('.') {
                None => is_digits(value, 6),
                Some((whole, rest)) => is_digits(whole, 6) && is_digits(rest, 6),
            },
            Size => is_amount(10, &["B", "kB", "MB", "GB", "TB"]),
            Time => is_amount(9, &["us", "ms", "s", "min", "h", "d"]),
            Word(words) => words.contains(&value),
            Zone => {
                value.len() <= LONGEST_VALUE
                    && value.starts_with(|c: char| c.is_ascii_alphabetic())
                    && value
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"_+/-".contains(&byte))
            }
        }
    }
}

/// What a parameter's value looks like. Absent: it may not be set.
pub fn parameter(name: &str) -> Option<ParameterKind> {
    PARAMETERS
        .iter()
        .find_map(|(known, kind)| (*known == name).then_some(*kind))
}

fn list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = texts.map(|text| format!("'{text}'")).collect();
    quoted.join(", ")
}

/// The rule that only these are set.
pub(super) fn rule_of_names() -> String {
    format!("self.all(k, k in [{}])", list(PARAMETERS.iter().map(|(name, _)| *name)))
}

/// The rule that each value is of its parameter's kind.
pub(super) fn rule_of_values() -> String {
    let of_kind = |kind: ParameterKind, pattern: &str| {
        let names = PARAMETERS.iter().filter(|(_, of)| *of == kind).map(|(name, _)| *name);
        let pattern = pattern.replace('\\', r"\\");
        format!("self.all(k, !(k in [{}]) || self[k].matches('{pattern}'))", list(names))
    };
    let mut rules = vec![
        of_kind(Decimal, DECIMAL),
        of_kind(Size, SIZE),
        of_kind(Time, TIME),
        of_kind(Zone, ZONE),
    ];
    for (name, kind) in PARAMETERS {
        match kind {
            Number(least, most) => rules.push(format!(
                "(!('{name}' in self) || self['{name}'].matches('{NUMBER}') && int(self['{name}']) >= {least} && int(self['{name}']) <= {most})"
            )),
            Word(words) => rules.push(format!(
                "(!('{name}' in self) || self['{name}'] in [{}])",
                list(words.iter().copied())
            )),
            Decimal | Size | Time | Zone => {}
        }
    }
    rules.join(" && ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_programs_reads_files_or_opens_the_server_may_not_be_set() {
        for name in [
            "archive_command",
            "restore_command",
            "ssl_passphrase_command",
            "shared_preload_libraries",
            "session_preload_libraries",
            "local_preload_libraries",
            "dynamic_library_path",
            "listen_addresses",
            "port",
            "ssl",
            "ssl_key_file",
            "hba_file",
            "data_directory",
            "log_directory",
            "logging_collector",
            "unix_socket_directories",
            "password_encryption",
            "default_transaction_read_only",
            "fsync",
            "full_page_writes",
            "zero_damaged_pages",
            "work_mem ",
            "Work_Mem",
            "",
        ] {
            assert_eq!(parameter(name), None, "{name}");
        }
        assert!(PARAMETERS.is_sorted_by_key(|(name, _)| *name));
    }

    #[test]
    fn values_are_of_their_parameters_kind() {
        for (name, right, wrong) in [
            (
                "max_connections",
                &["200", "20"][..],
                &["19", "10001", "2e2", "200MB", "", "-1", "200; x"][..],
            ),
            ("autovacuum_vacuum_cost_limit", &["-1", "200"], &["-2"]),
            (
                "shared_buffers",
                &["256MB", "16384", "1GB"],
                &["256Mi", "256 MB", "-2", "MB", "12345678901"],
            ),
            ("log_temp_files", &["-1", "0", "10MB"], &["--1"]),
            ("statement_timeout", &["30s", "0", "1000", "5min"], &["5m", "1.5s", "s"]),
            ("random_page_cost", &["1", "1.1"], &["1,1", "-1", ".5", "1."]),
            ("log_statement", &["ddl"], &["DDL", "none'"]),
            (
                "timezone",
                &["UTC", "Asia/Kolkata", "Etc/GMT+5"],
                &["", "../etc", "Asia Kolkata"],
            ),
        ] {
            let kind = parameter(name).expect(name);
            for value in right {
                assert!(kind.is(value), "{name}={value}");
            }
            for value in wrong {
                assert!(!kind.is(value), "{name}={value}");
            }
        }
    }
}
