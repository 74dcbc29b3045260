//! Annotations of an Ingress that every drive may set, and what may stand in them. Pure.
//!
//! They change how the controller serves this drive's route, and nothing of anybody else's: no names of objects, no hosts, no
//! configuration text. Some controllers write values into one configuration for all, which a wrong one makes unusable for everybody,
//! so each has the shape that its controller documents.

use Shape::{Codes, Number, Path, Size, Switch, Time, Word};

/// What an annotation's value looks like.
#[derive(Clone, Copy)]
enum Shape {
    /// At most this number.
    Number(u64),
    /// At most this many KiB, of memory or of a request.
    Size(u64),
    /// A number of seconds, or a number with a unit.
    Time,
    /// `true` or `false`.
    Switch,
    /// Letters, digits, `-`, `_` and `.`.
    Word,
    /// What is asked for over HTTP.
    Path,
    /// Status codes and ranges of them.
    Codes,
}

const MANY: u64 = 1_000_000;
/// 1 TiB.
const LARGE: u64 = 1 << 30;
/// What one connection may take of the controller's memory, which it has for all: 1 MiB, and 64 pieces.
const BUFFER: u64 = 1024;
const BUFFERS: u64 = 64;

const HARMLESS: &[(&str, Shape)] = &[
    ("nginx.ingress.kubernetes.io/affinity", Word),
    ("nginx.ingress.kubernetes.io/affinity-mode", Word),
    ("nginx.ingress.kubernetes.io/backend-protocol", Word),
    ("nginx.ingress.kubernetes.io/client-body-buffer-size", Size(BUFFER)),
    ("nginx.ingress.kubernetes.io/force-ssl-redirect", Switch),
    ("nginx.ingress.kubernetes.io/limit-connections", Number(MANY)),
    ("nginx.ingress.kubernetes.io/limit-rpm", Number(MANY)),
    ("nginx.ingress.kubernetes.io/limit-rps", Number(MANY)),
    ("nginx.ingress.kubernetes.io/load-balance", Word),
    ("nginx.ingress.kubernetes.io/proxy-body-size", Size(LARGE)),
    ("nginx.ingress.kubernetes.io/proxy-buffer-size", Size(BUFFER)),
    ("nginx.ingress.kubernetes.io/proxy-buffering", Word),
    ("nginx.ingress.kubernetes.io/proxy-buffers-number", Number(BUFFERS)),
    ("nginx.ingress.kubernetes.io/proxy-connect-timeout", Time),
    ("nginx.ingress.kubernetes.io/proxy-http-version", Word),
    ("nginx.ingress.kubernetes.io/proxy-max-temp-file-size", Size(LARGE)),
    ("nginx.ingress.kubernetes.io/proxy-next-upstream-timeout", Time),
    ("nginx.ingress.kubernetes.io/proxy-next-upstream-tries", Number(MANY)),
    ("nginx.ingress.kubernetes.io/proxy-read-timeout", Time),
    ("nginx.ingress.kubernetes.io/proxy-request-buffering", Word),
    ("nginx.ingress.kubernetes.io/proxy-send-timeout", Time),
    ("nginx.ingress.kubernetes.io/session-cookie-expires", Time),
    ("nginx.ingress.kubernetes.io/session-cookie-max-age", Time),
    ("nginx.ingress.kubernetes.io/session-cookie-name", Word),
    ("nginx.ingress.kubernetes.io/session-cookie-samesite", Word),
    ("nginx.ingress.kubernetes.io/session-cookie-secure", Switch),
    ("nginx.ingress.kubernetes.io/ssl-redirect", Switch),
    ("nginx.ingress.kubernetes.io/upstream-hash-by-subset", Switch),
    ("haproxy.org/check", Switch),
    ("haproxy.org/check-interval", Time),
    ("haproxy.org/load-balance", Word),
    ("haproxy.org/rate-limit-requests", Number(MANY)),
    ("haproxy.org/ssl-redirect", Switch),
    ("haproxy.org/timeout-check", Time),
    ("haproxy.org/timeout-client", Time),
    ("haproxy.org/timeout-connect", Time),
    ("haproxy.org/timeout-http-keep-alive", Time),
    ("haproxy.org/timeout-http-request", Time),
    ("haproxy.org/timeout-queue", Time),
    ("haproxy.org/timeout-server", Time),
    ("haproxy.org/timeout-tunnel", Time),
    ("alb.ingress.kubernetes.io/healthcheck-interval-seconds", Number(MANY)),
    ("alb.ingress.kubernetes.io/healthcheck-path", Path),
    ("alb.ingress.kubernetes.io/healthcheck-timeout-seconds", Number(MANY)),
    ("alb.ingress.kubernetes.io/healthy-threshold-count", Number(MANY)),
    ("alb.ingress.kubernetes.io/success-codes", Codes),
    ("alb.ingress.kubernetes.io/target-type", Word),
    ("alb.ingress.kubernetes.io/unhealthy-threshold-count", Number(MANY)),
];

fn shape(name: &str) -> Option<Shape> {
    HARMLESS
        .iter()
        .find(|(harmless, _)| *harmless == name)
        .map(|(_, shape)| *shape)
}

/// Whether every drive may set the annotation.
pub(super) fn is_harmless(name: &str) -> bool {
    shape(name).is_some()
}

/// What has to stand in the annotation instead of this value. Absent: it may stand there, or nobody here knows the annotation.
pub fn should_be(name: &str, value: &str) -> Option<String> {
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = value.get(digits.len()..).unwrap_or_default();
    let number = || {
        let is_number = (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse::<u64>().ok()).flatten()
    };
    let all = |most: usize, other: &str| {
        (1..=most).contains(&value.len()) && value.chars().all(|c| c.is_ascii_alphanumeric() || other.contains(c))
    };
    let (fits, instead) = match shape(name)? {
        Number(most) => (
            unit.is_empty() && number().is_some_and(|number| number <= most),
            format!("a number, {most} at most"),
        ),
        Size(most) => {
            let bytes = match unit {
                "" => Some(1),
                "k" | "K" => Some(1 << 10),
                "m" | "M" => Some(1 << 20),
                "g" | "G" => Some(1 << 30),
                _ => None,
            };
            let size = number().zip(bytes).map(|(number, unit)| number.saturating_mul(unit));
            (
                size.is_some_and(|size| size <= most << 10),
                format!("a size such as 8k or 1m, {most}k at most"),
            )
        }
        Time => (
            number().is_some() && matches!(unit, "" | "us" | "ms" | "s" | "m" | "h" | "d"),
            "a number of seconds such as 60, or a time such as 5m".to_owned(),
        ),
        Switch => (matches!(value, "true" | "false"), "true or false".to_owned()),
        Word => (
            all(63, "-_."),
            "one word of letters, digits, '-', '_' and '.'".to_owned(),
        ),
        Path => (
            value.starts_with('/') && all(1024, "/-._~%@:,=&?+"),
            "a path such as /healthz".to_owned(),
        ),
        Codes => (
            value.len() <= 63
                && value
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || matches!(byte, b',' | b'-')),
            "status codes such as 200,301-302".to_owned(),
        ),
    };
    (!fits).then_some(instead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_the_shape_that_its_controller_documents() {
        let nginx = |name: &str| format!("nginx.ingress.kubernetes.io/{name}");
        let haproxy = |name: &str| format!("haproxy.org/{name}");
        let alb = |name: &str| format!("alb.ingress.kubernetes.io/{name}");
        for (name, good, bad) in [
            (
                nginx("proxy-body-size"),
                vec!["0", "8k", "100m", "20G"],
                vec!["", "1m 2m", "-1", "1x", "1m #", "abc", "2000g"],
            ),
            (
                nginx("proxy-buffer-size"),
                vec!["8k", "1024K", "1m"],
                vec!["2m", "1g", "9999999999"],
            ),
            (nginx("proxy-buffers-number"), vec!["4", "64"], vec!["65", "4k", "+4"]),
            (
                nginx("proxy-read-timeout"),
                vec!["60", "60s", "5m"],
                vec!["", "s", "60 s", "1e9", "60;"],
            ),
            (nginx("ssl-redirect"), vec!["true", "false"], vec!["True", "1", ""]),
            (
                nginx("session-cookie-name"),
                vec!["route", "JSESSIONID_1"],
                vec!["a b", "a;b", "a\"", "ä"],
            ),
            (
                nginx("backend-protocol"),
                vec!["GRPC", "AUTO_HTTP"],
                vec!["HTTP HTTP", "$x"],
            ),
            (
                haproxy("timeout-server"),
                vec!["30s", "500ms"],
                vec!["30s\noption x", "1y"],
            ),
            (
                haproxy("load-balance"),
                vec!["leastconn"],
                vec!["hdr(x) use_domain_only"],
            ),
            (
                alb("healthcheck-path"),
                vec!["/", "/ready?full=1"],
                vec!["ready", "/a b", "/a\"b"],
            ),
            (alb("success-codes"), vec!["200", "200,301-302"], vec!["2xx", "200 "]),
        ] {
            for value in good {
                assert_eq!(should_be(&name, value), None, "{name}: {value:?}");
            }
            for value in bad {
                assert!(should_be(&name, value).is_some(), "{name}: {value:?}");
            }
        }
        assert_eq!(should_be("example.com/other", "any;thing"), None);
    }
}
