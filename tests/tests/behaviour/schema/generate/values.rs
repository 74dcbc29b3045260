//! What values people write in fields: by the form that a rule asks for, or by the name of the field.

/// Values of each format, by the beginning of the sentence about the format.
pub(super) const FORMS: &[(&str, &[&str])] = &[
    (
        "a name begins",
        &[
            "web",
            "db",
            "jwt",
            "mail",
            "data",
            "a",
            "tls",
            "cache",
            "database",
            "x-1",
            "a-name-that-is-as-long-as-it-may-ever-be",
        ],
    ),
    (
        "the name of a Kubernetes object",
        &["rds", "tls-cert", "a.b-c.example", "1", "fast", "s3"],
    ),
    (
        "a host name",
        &["jobs.example.edu", "localhost", "a.b", "1.2.3.4", "x--y.example"],
    ),
    (
        "a key of a Secret",
        &["key", "password", "host", ".pgpass", "A_1", "-", "a.b", "_"],
    ),
    (
        "the name of a variable",
        &[
            "A",
            "B",
            "PATH",
            "DATABASE_URL",
            "my.env",
            "2fa",
            "a b)",
            "$(A)",
            "-",
            "SERVICE_BINDING_ROOT",
            "~",
        ],
    ),
    (
        "an image",
        &[
            "web:1",
            "registry.example.com:5000/a/b@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "x",
            ":",
            "UPPER",
        ],
    ),
    ("the ARN", &["alias/placements"]),
    ("the name of a bucket", &["campus.resumes", "abc", "a..b", "a.-b"]),
    (
        "the name of a database",
        &["portal", "alumni", "a", "old-portal", "x_", "portal_2026"],
    ),
    ("the name of an extension", &["pg_trgm", "uuid-ossp", "citext"]),
    (
        "a schedule",
        &[
            "30 21 * * *",
            "0 0 1 1 0",
            "*/5 * * * *",
            "0 3 * * sun",
            "99 99 * * *",
            "? ? ? ? ?",
            "a b c d e",
        ],
    ),
    (
        "a path in the container",
        &[
            "/data",
            "/tmp",
            "/tmp/x",
            "/ras/database",
            "/rasp",
            "/a/b",
            "/dev/shm",
            "/etc/app.conf",
            "/bindings/x",
            "/.a",
            "/var/run/secrets/kubernetes.io/serviceaccount",
            "/-",
            "/etc/hosts",
            "/data/x",
        ],
    ),
    (
        "the path of a request",
        &["/", "/healthz", "/a?b=c", "/%", "//", "/{x}", "/a#b"],
    ),
    ("the name of a file", &["type", "host", "a.b_c-d", "A"]),
    ("the name of a port", &["http", "grpc", "a", "metrics", "x-1", "1a"]),
    (
        "a path begins",
        &[
            "/",
            "/a",
            "/a.b",
            "/a/b",
            "/%20",
            "/%2Fraw",
            "/a/../b",
            "/.",
            "/~x",
            "/%zz",
            "/a;b=c",
            "/@:",
            "/..a",
            "/a/%2e%2e/b",
            "/*",
            "/$1",
            "/(a)",
        ],
    ),
    (
        "an origin",
        &["https://jobs.example.edu", "*", "null", "https://*.example.edu", "x"],
    ),
    ("a request header", &["*", "Content-Type", "x-*"]),
    ("a response header", &["ETag", "x"]),
    (
        "a duration",
        &[
            "30s",
            "5m",
            "1h30m",
            "90d",
            "12h",
            "0s",
            "1d",
            "7d",
            "9999d",
            "99999999s",
        ],
    ),
];

/// Texts of no form.
pub(super) const WORDS: &[&str] = &[
    "a", "b", "hello", "$(A)", "$$(A)", "x y", "ü", "{{ x }}", "# c: d", "\"q\"", "'", "true", "1", "null", "\\",
    "a\nb", "%s",
];

/// Names of fields without a format, with values that can be valid.
pub(super) const NAMED: &[(&str, &[&str])] = &[
    (
        "cidr",
        &[
            "203.0.113.0/24",
            "10.0.0.1/32",
            "0.0.0.0/0",
            "10.20.0.5/24",
            "fd00::/8",
            "::/0",
            "::ffff:10.0.0.0/104",
            "10.0.0.0/8",
        ],
    ),
    ("port", &["http", "grpc", "a", "metrics"]),
    ("prefix", &["zip/", "A_", "", "/", "a b"]),
    (
        "key",
        &[
            "dedicated",
            "example.com/pool",
            "key",
            "spo/mail",
            "node.kubernetes.io/not-ready",
        ],
    ),
    ("value", &["portal", "", "a", "$(A)", "x y", "ü"]),
    ("secret", &["jwt", "mail"]),
    ("content", &["a: $(A)", "", "x", "$$(A)\n", "ü"]),
];

pub(super) const MAP_KEYS: &[(&str, &[&str])] = &[
    (
        "requests",
        &[
            "cpu",
            "memory",
            "ephemeral-storage",
            "nvidia.com/gpu",
            "hugepages-2Mi",
            "hugepages-1",
            "hugepages-x",
            "example.com/a.b",
            "kubernetes.io/x",
            "memory",
            "cpu",
        ],
    ),
    (
        "limits",
        &[
            "cpu",
            "memory",
            "ephemeral-storage",
            "nvidia.com/gpu",
            "hugepages-2Mi",
            "hugepages-1",
            "hugepages-x",
            "example.com/a.b",
            "requests.example.com/x",
            "memory",
            "cpu",
        ],
    ),
    (
        "nodeSelector",
        &["pool", "example.com/pool", "kubernetes.io/arch", "a_b.c"],
    ),
    (
        "annotations",
        &[
            "example.com/a",
            "a",
            "nginx.ingress.kubernetes.io/proxy-body-size",
            "kubernetes.io/ingress.class",
            "A.b",
        ],
    ),
];

pub(super) const TIMES: &[&str] = &[
    "2026-12-01T00:00:00Z",
    "2026-12-02T00:00:00+05:30",
    "2027-01-01T12:30:00.5Z",
    "1970-01-01T00:00:00Z",
];
