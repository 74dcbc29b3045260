//! Deleting a drive: what goes, what is kept, and what a drive of the same name finds again.

use std::collections::BTreeSet;

use k8s_openapi::api::{
    apps::v1::ReplicaSet,
    core::v1::{PersistentVolumeClaim, Pod, Secret},
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams},
};
use ras_tests::{Error, PATIENCE, TestEnv, eventually};

use crate::children::{EVERY_CHILD, at_rest, children, env_with_every_child, failed, make, uids};

/// Retained objects with data or credentials.
pub const KEPT: [&str; 5] = [
    "PersistentVolumeClaim/season-database-data",
    "PersistentVolumeClaim/season-store-data",
    "Secret/season-database-role-portal",
    "Secret/season-database-superuser",
    "Secret/season-jwt",
];

/// The same drive with nothing to be kept but its database.
fn database_kept() -> String {
    EVERY_CHILD
        .replace(
            "path: /data, size: 1Gi}",
            "path: /data, size: 1Gi, deletionPolicy: Delete}",
        )
        .replace(
            "generate: {keys: [key]}}",
            "generate: {keys: [key]}, deletionPolicy: Delete}",
        )
}

/// The same drive with nothing to be kept.
fn nothing_kept() -> String {
    database_kept().replace("  database:\n", "  database:\n    deletionPolicy: Delete\n")
}

#[tokio::test]
async fn a_deleted_drive_leaves_its_volumes_and_credentials_and_nothing_else() -> Result<(), Error> {
    let test_env = env_with_every_child("deletion").await?;
    leaves(&test_env, &DeleteParams::background(), &KEPT).await
}

#[tokio::test]
async fn a_drive_that_is_deleted_after_its_children_leaves_the_same() -> Result<(), Error> {
    let test_env = env_with_every_child("foreground").await?;
    leaves(&test_env, &DeleteParams::foreground(), &KEPT).await
}

#[tokio::test]
async fn a_drive_can_be_deleted_while_no_operator_runs() -> Result<(), Error> {
    let mut test_env = env_with_every_child("nobody-there").await?;
    test_env.operator.stop().await?;
    leaves(&test_env, &DeleteParams::default(), &KEPT).await
}

#[tokio::test]
async fn volumes_and_credentials_go_with_the_drive_where_it_says_so() -> Result<(), Error> {
    let test_env = env_with_every_child("nothing-kept").await?;
    // Said after they were made, as people do who are about to clean up.
    make(&test_env, "season", &nothing_kept()).await?;
    leaves(&test_env, &DeleteParams::background(), &[]).await
}

#[tokio::test]
async fn volumes_and_credentials_stay_where_the_drive_says_so_no_longer() -> Result<(), Error> {
    let test_env = env_with_every_child("kept-again").await?;
    make(&test_env, "season", &nothing_kept()).await?;
    make(&test_env, "season", EVERY_CHILD).await?;
    leaves(&test_env, &DeleteParams::background(), &KEPT).await
}

#[tokio::test]
async fn a_credential_that_was_made_to_go_with_its_drive_stays_where_the_drive_says_so_later() -> Result<(), Error> {
    let test_env = TestEnv::start("kept-later").await?;
    let drive = |policy: &str| {
        let secret = format!("{{name: jwt, generate: {{keys: [key]}}, deletionPolicy: {policy}}}");
        let service = "{name: web, image: 'registry.example.com/web:1', replicas: 1}";
        format!(
            "apiVersion: ras.dev/v1alpha1\nkind: RecruitmentDrive\nmetadata: {{name: season}}\nspec: {{services: [{service}], secrets: [{secret}]}}\n"
        )
    };
    test_env.apply(&drive("Delete")).await?;
    test_env.ready("season").await?;
    let secrets: Api<Secret> = test_env.namespace.api();
    let owners = async || -> Result<_, kube::Error> {
        let secret = secrets.get("season-jwt").await?;
        Ok(secret
            .owner_references()
            .iter()
            .map(|owner| owner.name.clone())
            .collect::<Vec<_>>())
    };
    let before = owners().await.map_err(failed("looking at the Secret"))?;
    assert_eq!(before, ["season"], "or it would not go with the drive");

    test_env.apply(&drive("Retain")).await?;
    eventually(PATIENCE, "the Secret to have no owner", async || {
        match owners().await? {
            owners if owners.is_empty() => Ok(()),
            owners => Err(format!("{owners:?}").into()),
        }
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))?;
    leaves(&test_env, &DeleteParams::background(), &["Secret/season-jwt"]).await
}

#[tokio::test]
async fn a_re_created_drive_finds_its_volumes_and_credentials_again() -> Result<(), Error> {
    let test_env = env_with_every_child("found-again").await?;
    let (secrets, claims): (Api<Secret>, Api<PersistentVolumeClaim>) =
        (test_env.namespace.api(), test_env.namespace.api());
    let look = async || -> Result<_, Error> {
        let secret = secrets
            .get("season-jwt")
            .await
            .map_err(failed("looking at the Secret"))?;
        let claim = claims
            .get("season-store-data")
            .await
            .map_err(failed("looking at the claim"))?;
        let volume = claim.spec.as_ref().and_then(|spec| spec.volume_name.clone());
        Ok((secret.uid(), secret.data, claim.uid(), volume))
    };
    let before = look().await?;
    assert!(
        before.1.as_ref().is_some_and(|data| data.contains_key("key")) && before.3.is_some(),
        "{before:?}"
    );
    leaves(&test_env, &DeleteParams::background(), &KEPT).await?;

    make(&test_env, "season", EVERY_CHILD).await?;
    assert!(
        look().await? == before,
        "a credential or a volume is not the one it was"
    );
    belongs_to_the_present_drive(&test_env).await
}

#[tokio::test]
async fn a_drive_that_is_made_anew_while_the_old_one_is_taken_apart_becomes_ready() -> Result<(), Error> {
    let test_env = env_with_every_child("at-once").await?;
    // Both ways, for what is kept and what goes with the drive are found again differently. The server that stands for the
    // drive's own keeps its roles whatever becomes of the volume, so their passwords are kept, too.
    for text in [
        EVERY_CHILD.to_owned(),
        database_kept(),
        database_kept(),
        EVERY_CHILD.to_owned(),
    ] {
        let old = names(&test_env).await?;
        let drives = test_env.drives();
        drives
            .delete("season", &DeleteParams::background())
            .await
            .map_err(failed("deleting the drive"))?;
        make(&test_env, "season", &text).await?;
        assert_eq!(names(&test_env).await?, old);
        belongs_to_the_present_drive(&test_env).await?;
    }
    Ok(())
}

/// Names of all children. A Job that prepares databases speaks for one drive, so a drive made anew has one of its own, told
/// apart by the end of its name.
async fn names(test_env: &TestEnv) -> Result<BTreeSet<String>, Error> {
    let own = |name: String| match name.split_once("-database-prepare-") {
        Some((before, _)) => format!("{before}-database-prepare"),
        None => name,
    };
    Ok(uids(test_env, "season").await?.into_keys().map(own).collect())
}

/// Deletes the drive and waits until just these of its children are left, and no pod.
async fn leaves(test_env: &TestEnv, how: &DeleteParams, names: &[&str]) -> Result<(), Error> {
    let mut expected = uids(test_env, "season").await?;
    expected.retain(|name, _| names.contains(&&**name));
    assert_eq!(expected.len(), names.len(), "{expected:?}");
    let drives = test_env.drives();
    drives
        .delete("season", how)
        .await
        .map_err(failed("deleting the drive"))?;
    let of_drive = ListParams::default().labels("ras.dev/drive=season");
    let (pods, replica_sets): (Api<Pod>, Api<ReplicaSet>) = (test_env.namespace.api(), test_env.namespace.api());
    eventually(PATIENCE, &format!("just {names:?} to be left"), async || {
        let (pods, sets) = (
            pods.list(&of_drive).await?.items.len(),
            replica_sets.list(&of_drive).await?.items.len(),
        );
        let (found, drive) = (uids(test_env, "season").await?, drives.get_opt("season").await?);
        if pods == 0 && sets == 0 && found == expected && drive.is_none() {
            return Ok(());
        }
        let drive = if drive.is_some() { "the drive, " } else { "" };
        Err(format!("{drive}{pods} pods, {sets} ReplicaSets, {:?}", found.keys()).into())
    })
    .await
    .map_err(|error| error.with_log(&test_env.operator.log()))?;

    // Whatever would still come for them, or make anew what is gone, had its time.
    at_rest(test_env, "season").await?;
    let left = children(test_env, "season").await?;
    assert_eq!(left.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, object) in left {
        assert!(
            object.metadata.deletion_timestamp.is_none() && object.uid().as_ref() == expected.get(&name),
            "{name}"
        );
    }
    Ok(())
}

/// Every child names the drive that is there now, and what has an owner is owned by it.
async fn belongs_to_the_present_drive(test_env: &TestEnv) -> Result<(), Error> {
    let drive = test_env
        .drives()
        .get("season")
        .await
        .map_err(failed("looking at the drive"))?;
    let uid = drive.uid().unwrap_or_default();
    for (name, object) in children(test_env, "season").await? {
        assert_eq!(object.labels().get("ras.dev/drive-uid"), Some(&uid), "{name}");
        assert!(object.owner_references().iter().all(|owner| owner.uid == uid), "{name}");
        assert!(object.metadata.deletion_timestamp.is_none(), "{name}");
    }
    Ok(())
}
