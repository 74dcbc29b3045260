//! Drives generated from the schema of the CRD: every field, with values that people write and values that nobody should.
//!
//! The schema alone knows nothing of what its rules ask for, so most of what it allows is rejected. `linked` makes
//! references lead somewhere, and `repaired` changes what the API server names until it accepts the drive.

use serde_json::{Map, Value, json};

use super::random::Random;

/// What texts of one form look like: by how the sentence about the form begins.
const FORMS: &[(&str, &[&str])] = &[
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
const WORDS: &[&str] = &[
    "a", "b", "hello", "$(A)", "$$(A)", "x y", "ü", "{{ x }}", "# c: d", "\"q\"", "'", "true", "1", "null", "\\",
    "a\nb", "%s",
];

/// What fields of no form are called, with values that can be right.
const NAMED: &[(&str, &[&str])] = &[
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

const MAP_KEYS: &[(&str, &[&str])] = &[
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

const TIMES: &[&str] = &[
    "2026-12-01T00:00:00Z",
    "2026-12-02T00:00:00+05:30",
    "2027-01-01T12:30:00.5Z",
    "1970-01-01T00:00:00Z",
];

/// Makes values of a schema.
pub(super) struct Generator<'a> {
    pub(super) random: Random,
    pub(super) spec: &'a Value,
    /// How many of 100 optional fields are there.
    pub(super) density: usize,
}

impl Generator<'_> {
    /// A spec.
    pub(super) fn spec(&mut self) -> Value {
        let schema = self.spec;
        let mut spec = self.value("spec", schema);
        linked(&mut spec, &mut self.random);
        spec
    }

    /// A value of a field with this name and schema.
    pub(super) fn value(&mut self, name: &str, schema: &Value) -> Value {
        if schema["x-kubernetes-int-or-string"] == true {
            return self.quantity();
        }
        if let Some(values) = schema["enum"].as_array() {
            return self.random.pick(values).clone();
        }
        match schema["type"].as_str() {
            Some("object") if schema["properties"].is_object() => self.object(schema),
            Some("object") => self.map(name, schema),
            Some("array") => self.array(name, schema),
            Some("boolean") => json!(self.random.chance(60)),
            Some("integer") => self.integer(schema),
            Some("string") if schema["format"] == "date-time" => json!(self.random.pick(TIMES)),
            Some("string") => json!(self.text(name, schema)),
            other => panic!("{name} has a type that the generator does not know: {other:?}"),
        }
    }

    fn object(&mut self, schema: &Value) -> Value {
        let required: Vec<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut object = Map::new();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            if required.contains(&name.as_str()) || self.random.chance(self.density) {
                object.insert(name.clone(), self.value(name, field));
            }
        }
        Value::Object(object)
    }

    fn map(&mut self, name: &str, schema: &Value) -> Value {
        let keys = MAP_KEYS
            .iter()
            .find(|(known, _)| *known == name)
            .map_or(WORDS, |(_, keys)| keys);
        let count = self.random.below(4);
        (0..count)
            .map(|_| {
                let key = (*self.random.pick(keys)).to_owned();
                (key, self.value(name, &schema["additionalProperties"]))
            })
            .collect::<Map<_, _>>()
            .into()
    }

    fn array(&mut self, name: &str, schema: &Value) -> Value {
        let least = schema["minItems"].as_u64().unwrap_or(0);
        let count = least.max(u64::try_from(*self.random.pick(&[0, 1, 1, 1, 2, 2, 3])).unwrap());
        let key = schema["x-kubernetes-list-map-keys"][0].as_str();
        let is_set = schema["x-kubernetes-list-type"] == "set";
        let mut items: Vec<Value> = Vec::new();
        for _ in 0..count {
            let item = self.value(name, &schema["items"]);
            let is_there = items.iter().any(|other| match key {
                Some(key) => other[key] == item[key],
                None => is_set && *other == item,
            });
            if !is_there {
                items.push(item);
            }
        }
        Value::Array(items)
    }

    fn integer(&mut self, schema: &Value) -> Value {
        let least = schema["minimum"].as_i64().unwrap_or(0);
        let most = schema["maximum"].as_i64().unwrap_or(1000);
        let near = |n: i64| n.clamp(least, most);
        json!(*self.random.pick(&[
            least,
            most,
            near(least + 1),
            near(80),
            near(3),
            near(1),
            near(8080),
            near(2048),
            near(17)
        ]))
    }

    fn quantity(&mut self) -> Value {
        const TEXTS: &[&str] = &[
            "1", "250m", "64Mi", "1Gi", "2", "100m", "128Mi", "20Gi", "1k", "1e3", "0.5", "2Mi", "512Mi", "1.5Gi",
            "1n", "1u", "+1", "5E", "7Ei", "0", "1500m", "512m", "9Ei", "-1", "1e-3", ".5", "1.",
        ];
        match self.random.below(20) {
            0 => json!(1),
            1 => json!(0),
            2 => json!(1_073_741_824),
            _ => json!(self.random.pick(TEXTS)),
        }
    }

    fn text(&mut self, name: &str, schema: &Value) -> String {
        let rules = schema["x-kubernetes-validations"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let of_form = FORMS.iter().find(|(begin, _)| {
            rules.iter().any(|rule| {
                rule["message"]
                    .as_str()
                    .is_some_and(|message| message.starts_with(begin))
            })
        });
        let named = NAMED.iter().find(|(known, _)| *known == name);
        let choices = of_form.or(named).map_or(WORDS, |(_, choices)| choices);
        let mut text = (*self.random.pick(choices)).to_owned();
        let least = usize::try_from(schema["minLength"].as_u64().unwrap_or(0)).unwrap();
        let most = usize::try_from(schema["maxLength"].as_u64().unwrap_or(64))
            .unwrap()
            .min(400);
        match self.random.below(40) {
            // As long as it may be.
            0 => {
                let fill = text.chars().last().unwrap_or('a');
                while text.chars().count() < most {
                    text.push(fill);
                }
            }
            // Anything that can be typed.
            1 => {
                let count = 1 + self.random.below(6);
                text = (0..count)
                    .map(|_| char::from(u8::try_from(32 + self.random.below(95)).unwrap()))
                    .collect();
            }
            _ => {}
        }
        while text.chars().count() < least {
            text.push('x');
        }
        text.chars().take(most).collect()
    }
}

/// Names of entries of a list.
fn names(list: &Value) -> Vec<Value> {
    list.as_array()
        .into_iter()
        .flatten()
        .map(|entry| entry["name"].clone())
        .collect()
}

/// Makes most references lead to something that is there.
fn linked(spec: &mut Value, random: &mut Random) {
    let secrets = names(&spec["secrets"]);
    let buckets = names(&spec["buckets"]);
    let databases = names(&spec["database"]["databases"]);
    let has_cache = spec.get("cache").is_some();
    let fix_uses = |uses: &mut Value, random: &mut Random| {
        for (field, known) in [("buckets", &buckets), ("databases", &databases)] {
            if uses.get(field).is_some() {
                uses[field] = known.iter().filter(|_| random.chance(70)).cloned().collect();
            }
        }
        if uses.get("cache").is_some() && !has_cache {
            uses["cache"] = json!(false);
        }
    };
    let fix_env = |env: &mut Value, bindings: &[Value], random: &mut Random| {
        for variable in env.as_array_mut().into_iter().flatten() {
            let sources = ["value", "secret", "bucket", "database", "binding", "cache"];
            let there: Vec<_> = sources
                .iter()
                .filter(|source| variable.get(**source).is_some())
                .copied()
                .collect();
            let keep = if there.is_empty() {
                "value"
            } else {
                *random.pick(&there)
            };
            for source in there.iter().filter(|source| **source != keep) {
                variable.as_object_mut().unwrap().remove(*source);
            }
            let known: &[Value] = match keep {
                "secret" => &secrets,
                "bucket" => &buckets,
                "database" => &databases,
                "binding" => bindings,
                _ => &[],
            };
            if keep == "value" || known.is_empty() && (keep != "cache" || !has_cache) {
                variable.as_object_mut().unwrap().remove(keep);
                variable["value"] = json!(*random.pick(WORDS));
            } else if keep != "cache" {
                variable[keep]["name"] = random.pick(known).clone();
            }
        }
    };
    for service in spec["services"].as_array_mut().into_iter().flatten() {
        let ports = names(&service["ports"]);
        for probing in ["probe", "metrics"] {
            if service.get(probing).is_some() && !ports.is_empty() {
                service[probing]["port"] = random.pick(&ports).clone();
            }
        }
        if let Some(whole) = service.get_mut("envFrom").and_then(Value::as_array_mut) {
            whole.retain(|_| !secrets.is_empty());
            for source in whole {
                source["secret"] = random.pick(&secrets).clone();
            }
        }
        let bindings = names(&service["uses"]["bindings"]);
        if let Some(uses) = service.get_mut("uses") {
            fix_uses(uses, random);
        }
        if let Some(env) = service.get_mut("env") {
            fix_env(env, &bindings, random);
        }
        for sidecar in service
            .get_mut("sidecars")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if let Some(env) = sidecar.get_mut("env") {
                fix_env(env, &bindings, random);
            }
        }
        if let Some(migrate) = service.get_mut("migrate") {
            let bindings = if migrate.get("uses").is_some() {
                names(&migrate["uses"]["bindings"])
            } else {
                bindings
            };
            if let Some(uses) = migrate.get_mut("uses") {
                fix_uses(uses, random);
            }
            if let Some(env) = migrate.get_mut("env") {
                fix_env(env, &bindings, random);
            }
            if migrate.get("command").is_none() && migrate.get("args").is_none() {
                migrate["args"] = json!(["migrate"]);
            }
        }
        // `&service["x"]` of a field that is absent gives null, and does not make it; nothing here leaves null behind.
    }
}

/// The steps of a path such as `spec.services[0].resources.limits[cpu]`.
fn steps(path: &str) -> Vec<String> {
    path.split(['.', '[', ']'])
        .filter(|step| !step.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Changes what `path` names: removes the field or something in it that the schema does not require, or makes it anew.
pub(super) fn repaired(drive: &mut Value, path: &str, generator: &mut Generator<'_>) {
    let mut place = drive;
    let mut schema = json!({"type": "object", "properties": {"spec": generator.spec.clone()}, "required": ["spec"]});
    let mut name = String::new();
    // What can be removed on the way: the last one wins.
    let steps = steps(path);
    for (depth, step) in steps.iter().enumerate() {
        let is_last = depth + 1 == steps.len();
        let next = if place.is_array() {
            schema["items"].clone()
        } else if schema["properties"].is_object() {
            schema["properties"][step].clone()
        } else {
            schema["additionalProperties"].clone()
        };
        let is_required = match place {
            Value::Array(items) => u64::try_from(items.len()).unwrap() <= schema["minItems"].as_u64().unwrap_or(0),
            _ => schema["required"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|required| required == step.as_str()),
        };
        let child_is_there = match &*place {
            Value::Array(items) => step.parse::<usize>().is_ok_and(|index| index < items.len()),
            Value::Object(fields) => fields.contains_key(step),
            _ => false,
        };
        if !child_is_there {
            break;
        }
        let child_is_container = match &*place {
            Value::Array(items) => {
                items[step.parse::<usize>().unwrap()].is_object() || items[step.parse::<usize>().unwrap()].is_array()
            }
            Value::Object(fields) => fields[step].is_object() || fields[step].is_array(),
            _ => false,
        };
        if is_last && !is_required && (!child_is_container || generator.random.chance(35)) {
            match place {
                Value::Array(items) => drop(items.remove(step.parse::<usize>().unwrap())),
                Value::Object(fields) => drop(fields.remove(step)),
                _ => {}
            }
            return;
        }
        schema = next;
        name.clone_from(step);
        place = match place {
            Value::Array(items) => &mut items[step.parse::<usize>().unwrap()],
            Value::Object(fields) => fields.get_mut(step).unwrap(),
            _ => return,
        };
    }
    change(place, &schema, &name, generator);
}

/// Removes something of a value, or makes it anew.
fn change(place: &mut Value, schema: &Value, name: &str, generator: &mut Generator<'_>) {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    match place {
        Value::Object(fields) => {
            let optional: Vec<String> = fields
                .keys()
                .filter(|key| !required.contains(&key.as_str()))
                .cloned()
                .collect();
            let absent: Vec<String> = schema["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(key, _)| key.clone())
                .filter(|key| !fields.contains_key(key))
                .collect();
            if !optional.is_empty() && generator.random.chance(65) {
                fields.remove(generator.random.pick(&optional));
            } else if !absent.is_empty() {
                let key = generator.random.pick(&absent).clone();
                let value = generator.value(&key, &schema["properties"][&key]);
                fields.insert(key, value);
            } else {
                *place = generator.value(name, schema);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let index = generator.random.below(items.len());
            let least = usize::try_from(schema["minItems"].as_u64().unwrap_or(0)).unwrap();
            if items.len() > least && generator.random.chance(50) {
                items.remove(index);
            } else {
                change(&mut items[index], &schema["items"], name, generator);
            }
        }
        _ => *place = generator.value(name, schema),
    }
}
