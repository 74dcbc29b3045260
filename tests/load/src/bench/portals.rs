//! The drives that are measured.

use ras_crds::RecruitmentDrive;
use ras_tests::Error;
use serde_json::{Value, json};

/// A portal of three programs with files, routes and a credential, which becomes fifteen objects. Suspended, so that no pod
/// is made: kubelets and the controllers between would be measured, too, and they are the same for every operator.
pub fn idle(name: &str, image: &str) -> Result<RecruitmentDrive, Error> {
    let service = |service: &str, path: &str| {
        json!({
            "name": service, "image": image, "replicas": 1,
            "ports": [{"name": "http", "port": 8080, "path": path}],
            "env": [{"name": "KEY", "secret": {"name": "jwt", "key": "key"}}],
            "files": [{"path": "/app/settings.yml", "content": "key: $(KEY)"}],
        })
    };
    decode(&json!({
        "apiVersion": "ras.dev/v1alpha1", "kind": "RecruitmentDrive", "metadata": {"name": name},
        "spec": {
            "suspend": true,
            "services": [service("frontend", "/"), service("backend", "/api"), service("admin", "/admin")],
            "secrets": [{"name": "jwt", "generate": {"keys": ["key"]}, "deletionPolicy": "Delete"}],
            "exposure": {"host": format!("{name}.example.edu")},
        },
    }))
}

/// A portal of one program with a file, a route and a credential, which becomes seven objects and one pod: what the peer's
/// objects are like whose figures stand in docs/performance.md.
pub fn running(name: &str) -> Result<RecruitmentDrive, Error> {
    decode(&json!({
        "apiVersion": "ras.dev/v1alpha1", "kind": "RecruitmentDrive", "metadata": {"name": name},
        "spec": {
            "services": [{
                "name": "web", "image": "registry.example.com/portal:1", "replicas": 1,
                "ports": [{"name": "http", "port": 8080, "path": "/"}],
                "env": [{"name": "KEY", "secret": {"name": "jwt", "key": "key"}}],
                "files": [{"path": "/app/settings.yml", "content": "key: $(KEY)"}],
            }],
            "secrets": [{"name": "jwt", "generate": {"keys": ["key"]}, "deletionPolicy": "Delete"}],
            "exposure": {"host": format!("{name}.example.edu")},
        },
    }))
}

fn decode(drive: &Value) -> Result<RecruitmentDrive, Error> {
    serde_json::from_value(drive.clone()).map_err(Error::unreadable("the drive"))
}
