//! The portals of the soak: a fixed few shapes, and what is edited of each.

use serde_json::{Value, json};

/// The shape of a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One program and a route.
    Site,
    /// Two programs with files, a credential, routes and monitoring.
    Portal,
    /// The same with a worker that is scaled by its load.
    Scaled,
    /// A program with a volume and a migration.
    Store,
    /// A program with a bucket.
    Files,
    /// A program with a database on a server of the drive's own.
    Data,
}

/// The population: of seven drives one has a database, which costs a server and a Job.
const SHAPES: [Shape; 7] = [
    Shape::Portal,
    Shape::Site,
    Shape::Store,
    Shape::Scaled,
    Shape::Files,
    Shape::Portal,
    Shape::Data,
];

impl Shape {
    /// The shape of the drive with this number.
    pub fn of(number: usize) -> Self {
        SHAPES.get(number % SHAPES.len()).copied().unwrap_or(Self::Site)
    }
}

/// The present settings of a drive.
#[allow(clippy::struct_excessive_bools)] // Each may be with each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalSettings {
    pub image: u64,
    pub replicas: u64,
    pub content: u64,
    pub value: u64,
    /// One more service, which is added and removed.
    pub extra: bool,
    pub suspend: bool,
    pub paused: bool,
    /// It needs a Secret that does not exist.
    pub lacking: bool,
}

impl Default for PortalSettings {
    fn default() -> Self {
        Self {
            image: 1,
            replicas: 1,
            content: 1,
            value: 1,
            extra: false,
            suspend: false,
            paused: false,
            lacking: false,
        }
    }
}

/// The spec of a drive. `keeps`: what holds data stays when the drive goes, which is also what an absent policy means.
pub fn spec(shape: Shape, host: &str, keeps: bool, settings: &PortalSettings) -> Value {
    let mut spec = json!({
        "services": services(shape, settings),
        "exposure": {"host": host},
    });
    let policy = |mut value: Value, gone: &str| {
        if !keeps && let Some(fields) = value.as_object_mut() {
            fields.insert("deletionPolicy".to_owned(), gone.into());
        }
        value
    };
    let mut secrets = Vec::new();
    if matches!(shape, Shape::Portal | Shape::Scaled) {
        secrets.push(policy(json!({"name": "jwt", "generate": {"keys": ["key"]}}), "Delete"));
    }
    if settings.lacking {
        secrets.push(json!({"name": "lacking", "existing": {"secretName": "nobody-makes-this"}}));
    }
    let mut set = |name: &str, value: Value| {
        if let Some(fields) = spec.as_object_mut() {
            fields.insert(name.to_owned(), value);
        }
    };
    if !secrets.is_empty() {
        set("secrets", secrets.into());
    }
    match shape {
        Shape::Portal | Shape::Scaled => set("monitoring", json!({})),
        Shape::Files => set("buckets", json!([policy(json!({"name": "files"}), "DeleteIfEmpty")])),
        Shape::Data => {
            let database = json!({
                "managed": {"provider": "Standalone", "version": 17, "size": "1Gi"},
                "databases": [{"name": "portal"}],
            });
            set("database", policy(database, "Delete"));
        }
        Shape::Store => {
            let place = spec.pointer_mut("/services/0/volumes/0");
            if let Some(volume) = place {
                *volume = policy(volume.take(), "Delete");
            }
        }
        Shape::Site => {}
    }
    for (name, value) in [("suspend", settings.suspend), ("paused", settings.paused)] {
        if value && let Some(fields) = spec.as_object_mut() {
            fields.insert(name.to_owned(), true.into());
        }
    }
    spec
}

/// Names of a shape's services, in order.
pub fn names(shape: Shape, settings: &PortalSettings) -> Vec<&'static str> {
    let mut names = match shape {
        Shape::Portal => vec!["frontend", "backend"],
        Shape::Scaled => vec!["frontend", "backend", "worker"],
        Shape::Site | Shape::Store | Shape::Files | Shape::Data => vec!["web"],
    };
    if settings.extra {
        names.push("extra");
    }
    names
}

fn services(shape: Shape, settings: &PortalSettings) -> Vec<Value> {
    let mut services: Vec<Value> = names(shape, settings)
        .iter()
        .map(|name| service(shape, name, settings))
        .collect();
    if settings.lacking
        && let Some(env) = services
            .first_mut()
            .and_then(|first| first.pointer_mut("/env"))
            .and_then(Value::as_array_mut)
    {
        env.push(json!({"name": "LACKING", "secret": {"name": "lacking", "key": "key"}}));
    }
    services
}

fn service(shape: Shape, name: &str, settings: &PortalSettings) -> Value {
    let mut service = json!({
        "name": name,
        "image": format!("registry.example.com/{name}:{}", settings.image),
        "env": [{"name": "EDIT", "value": settings.value.to_string()}],
    });
    let Some(fields) = service.as_object_mut() else {
        return service;
    };
    let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    let files = json!([{"path": "/app/settings.yaml", "content": format!("edit: {}\n", settings.content)}]);
    match name {
        "frontend" | "web" => {
            set("ports", json!([{"name": "http", "port": 8080, "path": "/"}]));
        }
        "backend" => {
            set(
                "ports",
                json!([{"name": "http", "port": 8080, "path": "/api"}, {"name": "metrics", "port": 9090}]),
            );
            set("metrics", json!({"port": "metrics"}));
            set("env", json!([{"name": "KEY", "secret": {"name": "jwt", "key": "key"}}]));
            set(
                "files",
                json!([{"path": "/app/settings.yaml", "content": format!("edit: {}\nkey: $(KEY)\n", settings.content)}]),
            );
        }
        "extra" => {
            set("ports", json!([{"name": "http", "port": 8080}]));
            set("files", files.clone());
        }
        _ => {}
    }
    match (shape, name) {
        (Shape::Scaled, "worker") => {
            set(
                "autoscaling",
                json!({"minReplicas": settings.replicas, "maxReplicas": 4, "targetCPUUtilization": 70}),
            );
        }
        // A volume that one pod alone can write.
        (Shape::Store, "web") => {
            set("volumes", json!([{"name": "data", "path": "/data", "size": "1Gi"}]));
            set("migrate", json!({"command": ["web", "migrate"]}));
        }
        (Shape::Files, "web") => {
            set("uses", json!({"buckets": ["files"]}));
            set("replicas", settings.replicas.into());
        }
        (Shape::Data, "web") => {
            set("uses", json!({"databases": ["portal"]}));
            set("replicas", settings.replicas.into());
        }
        (_, "extra") => {
            set("replicas", 1.into());
        }
        _ => {
            set("replicas", settings.replicas.into());
        }
    }
    service
}
