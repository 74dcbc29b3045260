//! What services of a drive share, where pods really run: a volume, names, an order, and files of the image.

use std::sync::Arc;

use http::Method;
use ras_tests::eventually;

use super::portal;
use crate::{
    drive::{Drive, PATIENCE},
    images::{BUSYBOX, PORTAL},
    runner::{Scenario, ScenarioResult, Steps},
    scenarios,
    world::World,
};

pub fn all() -> Vec<Scenario> {
    scenarios![
        services_share_a_volume_and_find_each_other_by_a_name,
        an_empty_volume_begins_with_what_the_image_has,
    ]
}

/// A worker without ports writes what the portal reads, on the node of both, and finds the portal under a name of the drive's own.
async fn services_share_a_volume_and_find_each_other_by_a_name(world: Arc<World>, steps: Steps) -> ScenarioResult {
    let drive = Drive::new(&world, "sharing").await?;
    let worker = format!(
        "    volumes: [{{name: files, path: /files, shared: uploads, readOnly: true}}]
  - name: worker
    image: {BUSYBOX}
    after: [portal]
    hostname: worker-1
    podSecurity: {{runAsUser: 1000}}
    command: [/scripts/work.sh]
    files:
    - path: /scripts/work.sh
      mode: Executable
      containers: [worker, prepare]
      content: |
        #!/bin/sh
        wget -q -O /up/answer http://portal.example.edu:8080/ || exit 1
        hostname > /up/name
        touch /tmp/done
        exec sleep 100000
    initContainers: [{{name: prepare, command: [sh, -c, 'echo prepared > /up/prepared']}}]
    probe: {{exec: [test, -e, /tmp/done], periodSeconds: 1}}
    volumes: [{{name: up, path: /up, shared: uploads}}]
    resources: {{requests: {{cpu: 10m, memory: 16Mi}}, limits: {{memory: 64Mi}}}}
  volumes: [{{name: uploads, size: 64Mi}}]
  hosts: [{{name: portal.example.edu, service: portal}}]
"
    );
    drive.apply(&portal(PORTAL[0], &worker)).await?;
    drive.ready().await?;
    steps.done("Ready: the worker's own command says so");
    for (file, content) in [
        ("prepared", "prepared\n"),
        ("name", "worker-1\n"),
        ("answer", "{\"version\":\"1\"}"),
    ] {
        let path = format!("/file?path=/files/{file}");
        let read = drive.get("portal", &path).await?;
        let read = read.as_str().map_or_else(|| read.to_string(), str::to_owned);
        assert_eq!(read.trim(), content.trim(), "{file}");
    }
    steps.done("the portal reads what the worker wrote, which found it by its name");
    Ok(())
}

async fn an_empty_volume_begins_with_what_the_image_has(world: Arc<World>, steps: Steps) -> ScenarioResult {
    let drive = Drive::new(&world, "filled").await?;
    let wiki = format!(
        "    volumes: [{{name: files, path: /files, shared: www}}]
  - name: wiki
    image: {BUSYBOX}
    podSecurity: {{runAsUser: 1000}}
    command: [sleep, '100000']
    volumes: [{{name: www, path: /bin, shared: www, fromImage: true}}]
    resources: {{requests: {{cpu: 10m, memory: 16Mi}}, limits: {{memory: 64Mi}}}}
  volumes: [{{name: www, size: 64Mi}}]
"
    );
    drive.apply(&portal(PORTAL[0], &wiki)).await?;
    drive.ready().await?;
    steps.done("Ready");
    eventually(PATIENCE, "the image's files to be in the volume", async || match drive
        .ask("portal", Method::GET, "/file?path=/files/.ras-filled", "")
        .await?
    {
        (200, _) => Ok(()),
        (code, answer) => Err(format!("{code} {answer}").into()),
    })
    .await?;
    let names = drive.get("portal", "/files?path=/files").await?;
    let names: Vec<&str> = names
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(serde_json::Value::as_str)
        .collect();
    assert!(names.contains(&"busybox"), "{names:?}");
    assert!(!names.contains(&".ras-filling"), "{names:?}");
    steps.done("the volume has the image's files");
    Ok(())
}
