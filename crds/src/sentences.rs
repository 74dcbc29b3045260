//! Sentences in place of what the API server says about patterns and lengths by itself.
//!
//! A `pattern` that does not match is answered with the regular expression, and a list that is too long with a number:
//! neither says what to do. Both become a CEL rule with a sentence here, for every field of the spec, so that no field can
//! be forgotten: a pattern or a list without a sentence fails the generation.

use serde_json::{Map, Value, json};

use crate::duration::DURATION;
use crate::quantity::QUANTITY;
use crate::schema::SchemaError;
use crate::spec::bounds;

/// What a pattern means.
struct Meaning {
    pattern: &'static str,
    /// What else has to hold, in CEL.
    and: &'static str,
    sentence: &'static str,
}

/// What each pattern means, and an example.
const PATTERNS: &[Meaning] = &[
    Meaning {
        pattern: bounds::PART_NAME,
        and: "",
        sentence: "a name begins with a lower-case letter, has only a-z, 0-9 and '-', and does not end with '-': write it like web-2",
    },
    Meaning {
        pattern: bounds::OBJECT_NAME,
        and: "!self.matches('[.][-.]|-[.]')",
        sentence: "the name of a Kubernetes object has only a-z, 0-9, '-' and '.', and begins and ends with a letter or digit: write it as `kubectl get` shows it",
    },
    Meaning {
        pattern: bounds::HOST_NAME,
        and: "",
        sentence: "a host name of a pod has only a-z, 0-9 and '-', and begins and ends with a letter or digit: write it like chat-1",
    },
    Meaning {
        pattern: bounds::HEADER_NAME,
        and: "",
        sentence: "the name of a request header has only letters, digits and '-': write it like X-Forwarded-Proto",
    },
    Meaning {
        pattern: bounds::HOST,
        and: "!self.matches('[.][-.]|-[.]')",
        sentence: "a host name has only lower-case letters, digits, '-' and '.', no wildcard, scheme or port: write it like jobs.example.edu",
    },
    Meaning {
        pattern: bounds::KEY,
        and: "self != '.' && !self.startsWith('..')",
        sentence: "a key of a Secret has only letters, digits, '-', '_' and '.', and does not begin with '..': write it like database.password",
    },
    Meaning {
        pattern: bounds::VARIABLE,
        and: "",
        sentence: "the name of a variable has only printable ASCII characters other than '=': write it like DATABASE_URL",
    },
    Meaning {
        pattern: bounds::IMAGE,
        and: "",
        sentence: "an image has no spaces: write it like registry.example.com/portal:1.0",
    },
    Meaning {
        pattern: bounds::KMS_KEY,
        and: "",
        sentence: "the ARN, ID or alias of a key has no spaces: write it like alias/placements",
    },
    Meaning {
        pattern: bounds::BUCKET_NAME,
        and: "",
        sentence: "the name of a bucket has only a-z, 0-9, '-' and '.', and begins and ends with a letter or digit: write it like campus-archive",
    },
    Meaning {
        pattern: bounds::DATABASE_NAME,
        and: "",
        sentence: "the name of a database or role begins with a lower-case letter and has only a-z, 0-9, '-' and '_': write it like placements_2026",
    },
    Meaning {
        pattern: bounds::EXTENSION,
        and: "",
        sentence: "the name of an extension begins with a lower-case letter and has only a-z, 0-9, '-' and '_': write it like pg_trgm",
    },
    Meaning {
        pattern: bounds::SCHEDULE,
        and: "",
        sentence: "a schedule has five fields with one space between them (minute, hour, day of month, month, day of week): write it like 30 21 * * *",
    },
    Meaning {
        pattern: bounds::MOUNT_PATH,
        and: "!self.matches('/[.]([.]|/|$)')",
        sentence: "a path in the container begins with '/', has only letters, digits, '.', '_', '-' and '/', and neither '..' nor a '/' at the end: write it like /data/uploads",
    },
    Meaning {
        pattern: bounds::REQUEST_PATH,
        and: "",
        sentence: "the path of a request begins with '/' and has no spaces: write it like /healthz",
    },
    Meaning {
        pattern: bounds::FILE_NAME,
        and: "",
        sentence: "the name of a file has only letters, digits, '-', '_' and '.', and begins and ends with a letter or digit: write it like type",
    },
    Meaning {
        pattern: bounds::PORT_NAME,
        and: "",
        sentence: "the name of a port has only a-z, 0-9 and single '-' between them, and at least one letter: write it like http",
    },
    Meaning {
        pattern: bounds::ROUTE_PATH,
        and: "",
        sentence: "a path begins with '/', has no space and no character that needs escaping, and does not end with '/': write it like /portal",
    },
    Meaning {
        pattern: bounds::ORIGIN,
        and: "!self.matches('[*].*[*]')",
        sentence: "an origin has no spaces and at most one '*': write it like https://jobs.example.edu",
    },
    Meaning {
        pattern: bounds::REQUEST_HEADER,
        and: "!self.matches('[*].*[*]')",
        sentence: "a request header has no spaces and at most one '*': write it like X-Requested-With",
    },
    Meaning {
        pattern: bounds::RESPONSE_HEADER,
        and: "",
        sentence: "a response header has neither spaces nor '*': write it like ETag",
    },
    Meaning {
        pattern: DURATION,
        and: "",
        sentence: "a duration has days, hours, minutes and seconds, in this order: write it like 30d, 1h30m or 90s",
    },
    Meaning {
        pattern: QUANTITY,
        and: "",
        sentence: "an amount is a number with a unit that Kubernetes knows, such as m, k, M, G, Ki, Mi or Gi: write it like 250m, 512Mi or 10Gi (not 10GB)",
    },
];

/// A list or map of the spec.
struct List {
    name: &'static str,
    /// What it holds, in the plural.
    what: &'static str,
    next: &'static str,
    /// By how many percent of its limit a longer list is still answered with the sentence. The API server estimates the
    /// cost of every rule for the longest list that the schema lets through, and rejects a schema whose rules may cost too
    /// much: lists within lists have little room.
    room: u64,
}

/// What each list holds, and what to do when it is too long.
const LISTS: &[List] = &[
    List {
        name: "after",
        what: "services",
        next: "name those that the others wait for",
        room: 6,
    },
    List {
        name: "args",
        what: "arguments",
        next: "pass more in a file or in variables",
        room: 100,
    },
    List {
        name: "bindings",
        what: "bindings",
        next: "remove one, or split the service",
        room: 6,
    },
    List {
        name: "buckets",
        what: "buckets",
        next: "use prefixes in one bucket, or make a second drive",
        room: 6,
    },
    List {
        name: "command",
        what: "words",
        next: "put the command into a script in the image",
        room: 100,
    },
    List {
        name: "cors",
        what: "entries",
        next: "put several origins into one entry",
        room: 6,
    },
    List {
        name: "databases",
        what: "databases",
        next: "use schemas in one database, or make a second drive",
        room: 50,
    },
    List {
        name: "egress",
        what: "entries",
        next: "combine neighboring address ranges into a larger one",
        room: 100,
    },
    List {
        name: "env",
        what: "variables",
        next: "put the others into a Secret and use envFrom, or into a file",
        room: 6,
    },
    List {
        name: "envFrom",
        what: "Secrets",
        next: "put their keys into fewer Secrets",
        room: 50,
    },
    List {
        name: "containers",
        what: "containers",
        next: "leave it out for the program alone",
        room: 6,
    },
    List {
        name: "exec",
        what: "words",
        next: "put the command into a script in the image",
        room: 100,
    },
    List {
        name: "expire",
        what: "entries",
        next: "use a prefix that several of them share",
        room: 6,
    },
    List {
        name: "exposeHeaders",
        what: "headers",
        next: "expose fewer",
        room: 6,
    },
    List {
        name: "extensions",
        what: "extensions",
        next: "let a migration create the others",
        room: 100,
    },
    List {
        name: "files",
        what: "files",
        next: "put the others into the image or a volume",
        room: 6,
    },
    List {
        name: "freezes",
        what: "freezes",
        next: "remove those that are over",
        room: 100,
    },
    List {
        name: "headers",
        what: "headers",
        next: "remove those that nothing needs",
        room: 6,
    },
    List {
        name: "imagePullSecrets",
        what: "Secrets",
        next: "put the logins of several registries into one Secret",
        room: 100,
    },
    List {
        name: "hosts",
        what: "names",
        next: "remove those that no program needs",
        room: 6,
    },
    List {
        name: "initContainers",
        what: "init containers",
        next: "let one script do the steps of several",
        room: 25,
    },
    List {
        name: "keys",
        what: "keys",
        next: "add another entry for the others",
        room: 6,
    },
    List {
        name: "labels",
        what: "labels",
        next: "remove those that nothing selects by",
        room: 6,
    },
    List {
        name: "nodeSelector",
        what: "labels",
        next: "give the nodes one label that stands for them all",
        room: 50,
    },
    List {
        name: "origins",
        what: "origins",
        next: "add another entry for the others",
        room: 6,
    },
    List {
        name: "parameters",
        what: "parameters",
        next: "leave out those that have PostgreSQL's default",
        room: 6,
    },
    List {
        name: "ports",
        what: "ports",
        next: "move some of them to another service",
        room: 6,
    },
    List {
        name: "secrets",
        what: "secrets",
        next: "put several keys into one secret, or make a second drive",
        room: 12,
    },
    List {
        name: "services",
        what: "services",
        next: "make a second drive for the others",
        room: 3,
    },
    List {
        name: "sidecars",
        what: "sidecars",
        next: "run the others as services",
        room: 25,
    },
    List {
        name: "tolerations",
        what: "tolerations",
        next: "tolerate a key with operator Exists instead of each value",
        room: 6,
    },
    List {
        name: "values",
        what: "values",
        next: "add another binding for the others",
        room: 6,
    },
    List {
        name: "volumes",
        what: "volumes",
        next: "use folders of one volume",
        room: 25,
    },
    List {
        name: "limits",
        what: "amounts",
        next: "remove those that the container does not need",
        room: 50,
    },
    List {
        name: "requests",
        what: "amounts",
        next: "remove those that the container does not need",
        room: 50,
    },
    List {
        name: "annotations",
        what: "annotations",
        next: "move those that every drive needs to the platform's settings",
        room: 50,
    },
];

/// Every sentence about a pattern.
pub fn of_patterns() -> impl Iterator<Item = &'static str> {
    PATTERNS.iter().map(|meaning| meaning.sentence)
}

/// How a rule about a length begins; the length follows.
pub const LENGTH: &str = "self.size() <= ";

/// The sentence about a list or map of this name that is too long.
pub fn of_length(name: &str, most: u64) -> Option<String> {
    list(name).map(|List { name, what, next, .. }| format!("{name} may have at most {most} {what}: {next}"))
}

fn list(name: &str) -> Option<&'static List> {
    LISTS.iter().find(|list| list.name == name)
}

/// Whether a message is one of these, which stand at many fields.
pub fn is_shared(message: &str) -> bool {
    let is_of_pattern = of_patterns().any(|sentence| sentence == message);
    let mut words = message.split(' ');
    let of_length = words.next().and_then(|name| {
        let most = words.nth(4)?.parse().ok()?;
        of_length(name, most)
    });
    is_of_pattern || of_length.as_deref() == Some(message)
}

/// Puts sentences in place of the patterns and lengths of a field and of all in it.
pub(crate) fn put(name: &str, schema: &mut Value) -> Result<(), SchemaError> {
    let Some(schema) = schema.as_object_mut() else {
        return Ok(());
    };
    let mut rules = Vec::new();
    if let Some(Value::String(pattern)) = schema.remove("pattern") {
        let Meaning { and, sentence, .. } = PATTERNS
            .iter()
            .find(|meaning| meaning.pattern == pattern)
            .ok_or_else(|| SchemaError::NoSentence(format!("{name}: {pattern}")))?;
        let rule = match (schema.contains_key("x-kubernetes-int-or-string"), and.is_empty()) {
            (true, _) => "isQuantity(string(self))".to_owned(),
            (false, true) => format!("self.matches(r\"{pattern}\")"),
            (false, false) => format!("self.matches(r\"{pattern}\") && {and}"),
        };
        rules.push(json!({"rule": rule, "message": sentence}));
    }
    // A set of an enum's values cannot be longer than it may be.
    let is_of_enum = schema.get("items").is_some_and(|items| items.get("enum").is_some());
    for bound in ["maxItems", "maxProperties"].iter().filter(|_| !is_of_enum) {
        if let Some(most) = schema.get(*bound).and_then(Value::as_u64) {
            let sentence = of_length(name, most).ok_or_else(|| SchemaError::NoSentence(format!("{name}: {bound}")))?;
            rules.push(json!({"rule": format!("{LENGTH}{most}"), "message": sentence}));
            let room = list(name).map_or(0, |list| (most * list.room).div_ceil(100));
            schema.insert((*bound).to_owned(), (most + room).into());
        }
    }
    add(schema, rules);
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get_mut(key) {
            put(name, inner)?;
        }
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        for (name, field) in properties {
            put(name, field)?;
        }
    }
    Ok(())
}

/// Before the rules that are there: they look further into a value that has the right form.
fn add(schema: &mut Map<String, Value>, mut rules: Vec<Value>) {
    if rules.is_empty() {
        return;
    }
    if let Some(Value::Array(own)) = schema.remove("x-kubernetes-validations") {
        rules.extend(own);
    }
    schema.insert("x-kubernetes-validations".to_owned(), Value::Array(rules));
}
