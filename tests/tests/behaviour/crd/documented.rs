//! The API server accepts every drive in the README, the examples and the documentation, and stores it as written.

use super::{a_good_drive, cluster_with_drives, drives, tried};
use ras_tests::{Error, documents, repository};
use serde_json::{Value, json};

#[tokio::test]
async fn every_example_is_accepted() -> Result<(), Error> {
    let namespace = cluster_with_drives().await?.namespace("examples").await?;
    let drives = drives(&namespace);
    let mut tried_files = 0;
    for entry in std::fs::read_dir(repository().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        for mut document in documents(&std::fs::read_to_string(&path).unwrap())? {
            if document["kind"] == "RecruitmentDrive" {
                document["metadata"]["namespace"] = json!(namespace.name());
                tried(&drives, &document)
                    .await
                    .unwrap_or_else(|refusal| panic!("{}: {refusal}", path.display()));
                tried_files += 1;
            }
        }
    }
    assert!(tried_files >= 4, "{tried_files}");
    namespace.delete().await
}

#[tokio::test]
async fn the_drive_in_the_readme_is_accepted() -> Result<(), Error> {
    let namespace = cluster_with_drives().await?.namespace("readme").await?;
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let (_, rest) = readme.split_once("```yaml\n").unwrap();
    let (yaml, _) = rest.split_once("```").unwrap();
    let mut drive: Value = serde_yaml::from_str(yaml).unwrap();
    drive["metadata"]["namespace"] = json!(namespace.name());
    tried(&drives(&namespace), &drive).await.unwrap();
    namespace.delete().await
}

#[tokio::test]
async fn every_drive_in_the_documentation_is_accepted() -> Result<(), Error> {
    let namespace = cluster_with_drives().await?.namespace("documented").await?;
    for (page, least) in [("docs/bindings.md", 12), ("docs/secrets.md", 1)] {
        let text = std::fs::read_to_string(repository().join(page)).unwrap();
        let blocks = text
            .split("```yaml\n")
            .skip(1)
            .filter_map(|rest| rest.split_once("```"));
        let mut tried_so_far = 0;
        for (yaml, _) in blocks.filter(|(yaml, _)| yaml.contains("kind: RecruitmentDrive")) {
            let mut drive: Value = serde_yaml::from_str(yaml).unwrap();
            drive["metadata"]["namespace"] = json!(namespace.name());
            if let Err(refused) = tried(&drives(&namespace), &drive).await {
                panic!("{page}: {refused:?}\n{yaml}");
            }
            tried_so_far += 1;
        }
        assert!(tried_so_far >= least, "{page} has {tried_so_far} drives");
    }
    namespace.delete().await
}

#[tokio::test]
async fn what_was_stored_is_what_was_written() -> Result<(), Error> {
    let namespace = cluster_with_drives().await?.namespace("stored").await?;
    namespace.apply(&a_good_drive().to_string()).await?;
    let stored = drives(&namespace).get("placements-2026").await.unwrap();
    assert_eq!(
        stored.data["spec"],
        a_good_drive()["spec"],
        "defaults would show as drift in GitOps"
    );
    namespace.delete().await
}
