use ras_crds::{BucketState, BucketStatus};

use super::super::tell::{self, End};
use super::super::world::{Farewell, Foreign, OutsideDatabase};
use super::*;

fn id(kind: &str, name: &str) -> Id {
    Id {
        kind: kind.to_owned(),
        api_version: "v1".to_owned(),
        plural: format!("{}s", kind.to_lowercase()),
        namespace: Some("spo".to_owned()),
        name: name.to_owned(),
        uid: format!("uid of {kind} {name}"),
    }
}

fn drive(buckets: Vec<BucketRemoval>) -> Drive {
    Drive {
        id: id("RecruitmentDrive", "season"),
        buckets,
        ..Drive::default()
    }
}

fn bucket(name: &str, fate: RemovalDecision) -> BucketRemoval {
    BucketRemoval {
        recorded: BucketStatus {
            name: name.to_owned(),
            bucket: format!("ras-spo-season-{name}"),
            state: BucketState::Ready,
            ..BucketStatus::default()
        },
        fate,
    }
}

fn service(name: &str) -> Front {
    Front {
        id: id("Service", name),
        ..Front::default()
    }
}

fn claim(name: &str, kept_by: Option<&str>) -> Claim {
    Claim {
        id: id("PersistentVolumeClaim", name),
        volume: Some(format!("pv-{name}")),
        kept_by: kept_by.map(str::to_owned),
        ..Claim::default()
    }
}

fn volume(name: &str, reclaimed: bool) -> Volume {
    Volume {
        id: Id {
            namespace: None,
            ..id("PersistentVolume", &format!("pv-{name}"))
        },
        reclaimed,
        phase: "Bound".to_owned(),
        disk: format!("vol-{name}"),
        size: "20Gi".to_owned(),
        claim: Some(("spo".to_owned(), name.to_owned())),
        ..Volume::default()
    }
}

fn first_look(world: &World) -> (Course, Judgement) {
    let mut course = Course::default();
    course.saw(world);
    let judgement = judge(world, &course);
    (course, judgement)
}

fn verdict_of<'a>(judgement: &'a Judgement, name: &str) -> &'a Verdict {
    let found = judgement.items.iter().find(|item| item.name.ends_with(name));
    &found
        .unwrap_or_else(|| panic!("no {name} in {:?}", judgement.items))
        .verdict
}

fn deleted(judgement: &Judgement) -> Vec<String> {
    judgement.next().iter().map(ToString::to_string).collect()
}

#[test]
fn an_empty_cluster_is_safe_to_destroy_and_one_that_cannot_be_seen_is_not() {
    assert!(first_look(&World::default()).1.is_safe());
    let hidden = World {
        unseen: vec!["Services could not be listed".to_owned()],
        ..World::default()
    };
    let (_, judgement) = first_look(&hidden);
    assert!(!judgement.is_safe() && judgement.next().is_empty() && judgement.is_stuck());
    assert!(tell::text(&judgement, End::Done).contains("Services could not be listed"));
}

#[test]
fn nothing_is_taken_down_before_every_drive_is_gone() {
    let mut world = World {
        drives: vec![drive(Vec::new())],
        services: vec![service("traefik")],
        claims: vec![claim("prometheus", None)],
        volumes: vec![volume("prometheus", true)],
        ..World::default()
    };
    let (mut course, judgement) = first_look(&world);
    assert_eq!(deleted(&judgement), ["RecruitmentDrive spo/season"]);

    course.deleted(&world.drives[0].id, None);
    world.drives[0].going = true;
    world.drives[0].blocked = Some(("ConfirmationMissing".to_owned(), "to keep it: annotate".to_owned()));
    let blocked = judge(&world, &course);
    assert!(blocked.next().is_empty() && blocked.is_stuck() && !blocked.is_safe());
    assert!(tell::text(&blocked, End::Stuck).contains("to keep it: annotate"));

    // An object store that does not answer may answer later: that is waited for.
    world.drives[0].blocked = Some(("StoreUnavailable".to_owned(), "it cannot be reached".to_owned()));
    assert!(!judge(&world, &course).is_stuck());

    world.drives.clear();
    assert_eq!(deleted(&judge(&world, &course)), ["Service spo/traefik"]);
    world.services.clear();
    assert_eq!(
        deleted(&judge(&world, &course)),
        ["PersistentVolumeClaim spo/prometheus"]
    );
    world.claims.clear();
    world.volumes[0].phase = "Released".to_owned();
    let driver = judge(&world, &course);
    assert!(matches!(verdict_of(&driver, "pv-prometheus"), Verdict::Going(_)) && !driver.is_safe());
    world.volumes.clear();
    assert!(judge(&world, &course).is_safe());
}

#[test]
fn what_a_drive_or_a_volume_keeps_is_kept_and_told_with_its_reason() {
    let mut of_a_database = claim("pg-1", None);
    of_a_database.of_other = Some("Cluster pg".to_owned());
    let world = World {
        claims: vec![claim("data", Some("season")), claim("archive", None), of_a_database],
        volumes: vec![volume("data", true), volume("archive", false), volume("pg-1", true)],
        credentials: vec![id("Secret", "season-database")],
        ..World::default()
    };
    let (_, judgement) = first_look(&world);
    assert!(judgement.is_safe() && judgement.next().is_empty(), "{judgement:?}");
    let text = tell::text(&judgement, End::Done);
    for said in [
        "vol-data, 20Gi, of the claim spo/data: drive season keeps it",
        "kubectl -n spo delete persistentvolumeclaims data",
        "vol-archive, 20Gi, of the claim spo/archive: its reclaim policy is Retain",
        "vol-pg-1, 20Gi, of the claim spo/pg-1: it belongs to Cluster pg",
        "ends with the cluster:\n  Secret spo/season-database",
    ] {
        assert!(text.contains(said), "no {said:?} in {text}");
    }
    assert!(text.ends_with("\nsafe to destroy\n"), "{text}");
}

#[test]
fn buckets_are_told_by_their_drives_own_policies_also_when_the_drive_is_gone() {
    let buckets = vec![
        bucket("resumes", RemovalDecision::Kept),
        bucket("exports", RemovalDecision::RemovedIfEmpty),
        bucket("cache", RemovalDecision::RemovedIfEmpty),
        bucket("old", RemovalDecision::Removed),
    ];
    let mut world = World {
        drives: vec![drive(buckets)],
        ..World::default()
    };
    let (course, judgement) = first_look(&world);
    assert!(matches!(verdict_of(&judgement, "resumes"), Verdict::Kept { .. }));
    for follows in ["exports", "cache", "old"] {
        assert!(
            matches!(verdict_of(&judgement, follows), Verdict::Follows(_)),
            "{follows}"
        );
    }

    let uid = world.drives.remove(0).id.uid;
    let farewell = |drive: &str, name: &str| Farewell {
        drive: drive.to_owned(),
        bucket: format!("ras-{name}"),
        reason: "it is not empty".to_owned(),
    };
    // The second is of a drive that went before this began.
    world.farewells = vec![
        farewell(&uid, "spo-season-exports"),
        farewell("another", "spo-autumn-zip"),
    ];
    let after = judge(&world, &course);
    assert!(after.is_safe());
    let names: Vec<&str> = after.items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(
        names,
        ["ras-spo-autumn-zip", "ras-spo-season-exports", "ras-spo-season-resumes"]
    );
    assert!(tell::text(&after, End::Done).contains("ras-spo-season-exports: it is not empty"));
}

#[test]
fn a_bucket_that_nobody_confirmed_is_in_the_way_before_anything_is_done() {
    let world = World {
        drives: vec![drive(vec![bucket("old", RemovalDecision::Unconfirmed)])],
        ..World::default()
    };
    let text = tell::text(&first_look(&world).1, End::DryRun);
    assert!(
        text.contains("annotate drive season --overwrite ras.dev/confirm-delete=ras-spo-season-old"),
        "{text}"
    );
    assert!(text.contains("ras.dev/keep-buckets=ras-spo-season-old"), "{text}");
}

#[test]
fn what_comes_back_or_comes_later_is_not_deleted_over_and_over() {
    let mut world = World {
        services: vec![service("traefik")],
        ..World::default()
    };
    let (mut course, _) = first_look(&world);
    course.deleted(&world.services[0].id, None);
    world.services[0].id.uid = "another".to_owned();
    world.services.push(service("later"));
    let judgement = judge(&world, &course);
    assert!(judgement.next().is_empty() && judgement.is_stuck());
    let text = tell::text(&judgement, End::Stuck);
    assert!(
        text.contains("came back") && text.contains("came after this began"),
        "{text}"
    );
}

#[test]
fn what_may_not_be_deleted_or_is_in_use_or_of_others_is_in_the_way() {
    let mut used = claim("prometheus", None);
    used.going = true;
    used.users = vec![("spo/prometheus-0".to_owned(), false)];
    let mut failed = volume("lost", true);
    failed.phase = "Failed".to_owned();
    failed.message = Some("VolumeInUse".to_owned());
    let world = World {
        services: vec![service("traefik")],
        claims: vec![used],
        volumes: vec![volume("prometheus", true), failed],
        foreign: vec![Foreign {
            id: id("PodIdentityAssociation", "theirs"),
            what: "something outside the cluster".to_owned(),
            kept: false,
        }],
        ..World::default()
    };
    let (mut course, _) = first_look(&world);
    course.deleted(
        &world.services[0].id,
        Some("it may not be deleted: no right".to_owned()),
    );
    let judgement = judge(&world, &course);
    assert!(!judgement.is_safe());
    let text = tell::text(&judgement, End::Stuck);
    for said in [
        "no right",
        "spo/prometheus-0",
        "VolumeInUse",
        "delete podidentityassociations theirs",
    ] {
        assert!(text.contains(said), "no {said:?} in {text}");
    }
}

#[test]
fn a_script_reads_the_same() {
    let world = World {
        drives: vec![drive(vec![bucket("resumes", RemovalDecision::Kept)])],
        ..World::default()
    };
    let (_, judgement) = first_look(&world);
    let text = tell::json(&judgement, End::DryRun).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["safeToDestroy"], false);
    assert_eq!(report["dryRun"], true);
    let state = |name: &str| {
        let items = report["items"].as_array().unwrap();
        let item = items.iter().find(|item| item["name"] == name).unwrap();
        item["state"].clone()
    };
    assert_eq!(state("spo/season"), "ToBeDeleted");
    assert_eq!(state("ras-spo-season-resumes"), "Kept");
}

#[test]
fn databases_on_servers_of_others_are_listed_as_kept_before_and_after_their_drive_is_gone() {
    let mut with_database = drive(Vec::new());
    with_database.databases = vec![OutsideDatabase {
        name: "portal".to_owned(),
        secret: "rds".to_owned(),
    }];
    let mut world = World {
        drives: vec![with_database],
        ..World::default()
    };
    let (mut course, judgement) = first_look(&world);
    let told = |judgement: &Judgement| {
        let verdict = verdict_of(judgement, "portal of drive spo/season");
        let Verdict::Kept { reason, way_out: None } = verdict else {
            panic!("{verdict:?}")
        };
        assert!(
            reason.contains("Secret spo/rds") && reason.contains("ever dropped"),
            "{reason}"
        );
    };
    told(&judgement);
    assert_eq!(deleted(&judgement), ["RecruitmentDrive spo/season"]);

    world.drives.clear();
    course.saw(&world);
    let judgement = judge(&world, &course);
    told(&judgement);
    assert!(judgement.is_safe(), "what is kept is in nobody's way");
    let text = tell::text(&judgement, End::Done);
    assert!(
        text.contains("database portal of drive spo/season: it is on the server"),
        "{text}"
    );
}
