//! The end: all is let go on, and then looked at closely.

use std::collections::BTreeMap;
use std::time::Duration;

use kube::Api;
use kube::ResourceExt as _;
use kube::api::PostParams;
use ras_crds::RecruitmentDrive;
use ras_tests::{Error, Operator, eventually};

use super::action::Side;
use super::look::{self, Objects};
use super::measure::{Sample, Steady};
use super::population::Planned;
use super::site::Land;
use super::soak::Soak;
use super::twins;

/// How long everything may take to be well again, and twins to be made.
const PATIENCE: Duration = Duration::from_secs(240);
/// How long garbage collection may take, which Kubernetes does.
const CLEARED: Duration = Duration::from_secs(60);
/// How long it is quiet for.
const REST: Duration = Duration::from_secs(30);

/// Lets everything settle, looks for what is wrong, and prints the figures. What is wrong is added to the soak's faults.
pub async fn judge(soak: &mut Soak) -> Result<(), Error> {
    println!("no more faults; everything may settle");
    soak.undo_all();
    soak.site.pair_proxy.set(None);
    soak.site.steady_proxy.set(None);
    soak.site.store_proxy.heal();
    if let Err(error) = soak.settle(PATIENCE).await {
        soak.faults.push(error.to_string());
    } else {
        println!("every drive is Ready again");
    }
    nothing_left_over(soak).await?;
    nothing_lost(soak).await?;
    buckets(soak).await?;
    rest(soak).await?;
    like_twins(soak).await?;
    soak.look().await?;
    figures(soak);
    let steady: Vec<&Sample> = soak.samples.iter().filter(|sample| sample.who == "steady").collect();
    soak.faults.extend(Steady(steady).faults());
    Ok(())
}

async fn nothing_left_over(soak: &mut Soak) -> Result<(), Error> {
    for namespace in soak.namespaces() {
        let cleared = eventually(CLEARED, "nothing to be left over", async || {
            let left = look::left_over(&soak.site.client, &namespace, &soak.plan).await?;
            if left.is_empty() {
                Ok(())
            } else {
                Err(left.join("\n").into())
            }
        });
        if let Err(error) = cleared.await {
            soak.faults.push(error.to_string());
        }
    }
    Ok(())
}

/// Fails if an object with data was replaced.
async fn nothing_lost(soak: &mut Soak) -> Result<(), Error> {
    let now = look::kept(&soak.site.client, &soak.plan).await?;
    for (name, uid) in &soak.kept {
        match now.get(name) {
            Some(found) if found == uid => {}
            Some(_) => soak.faults.push(format!("{name} is another one than it was")),
            None => soak.faults.push(format!("{name} is lost")),
        }
    }
    println!(
        "{} Secrets and claims that have to outlive their drives were watched",
        soak.kept.len()
    );
    Ok(())
}

/// Every bucket that a status names is in the store.
async fn buckets(soak: &mut Soak) -> Result<(), Error> {
    let listed = soak.site.store.client().list_buckets().send().await;
    let listed = listed.map_err(|error| Error::ControlPlane(format!("listing buckets: {error:?}")))?;
    let there: Vec<&str> = listed.buckets().iter().filter_map(|bucket| bucket.name()).collect();
    let mut named = Vec::new();
    for namespace in soak.namespaces() {
        for drive in look::drives(&soak.site.client, &namespace).await? {
            for line in drive.status.map(|status| status.buckets).unwrap_or_default() {
                if !there.contains(&line.bucket.as_str()) {
                    soak.faults.push(format!("bucket {} is not in the store", line.bucket));
                }
                named.push(line.bucket);
            }
        }
    }
    // A bucket without a drive is one that was kept: its drive's name is in it.
    for bucket in &there {
        let kept = soak
            .plan
            .iter()
            .any(|drive| drive.keeps && bucket.starts_with(&format!("soak-{}-{}-", drive.namespace, drive.name)));
        if !kept && !named.iter().any(|name| name == bucket) {
            soak.faults.push(format!("bucket {bucket} is left over"));
        }
    }
    println!("{} buckets of drives, {} in the store", named.len(), there.len());
    Ok(())
}

/// Where nothing happens, no operator asks for anything.
async fn rest(soak: &mut Soak) -> Result<(), Error> {
    let audit = soak.site.cluster.audit()?;
    tokio::time::sleep(REST).await;
    let since = audit.settle().await?;
    tokio::time::sleep(REST).await;
    audit.settle().await?;
    let written = audit.events_since(since, |event| {
        event.username.contains("operator") && event.is_write() && event.resource != "leases"
    })?;
    if !written.is_empty() {
        let first = written
            .first()
            .map(|event| format!("{} {} {}", event.verb, event.resource, event.name));
        soak.faults
            .push(format!("{} writes at rest, such as {first:?}", written.len()));
    }
    soak.look().await
}

/// Compares each drive with one that was just made.
async fn like_twins(soak: &mut Soak) -> Result<(), Error> {
    for side in [Side::Pair, Side::Steady] {
        let real = match side {
            Side::Pair => soak.site.pair.names(),
            Side::Steady => soak.site.steady.names(),
        };
        let land = soak.site.land("twin").await?;
        let options = soak.site.options(&land, None)?;
        let mut operator = Operator::start(&soak.site.cluster, &land.home, &options).await?;
        let differences = compare(soak, &real, &land).await?;
        soak.faults.extend(differences);
        operator.stop().await?;
    }
    println!("compared with twins that were just made");
    Ok(())
}

async fn compare(soak: &Soak, real: &[String; 2], land: &Land) -> Result<Vec<String>, Error> {
    let client = &soak.site.client;
    let mut differences = Vec::new();
    for (namespace, twin) in real.iter().zip(land.names()) {
        let planned: Vec<&Planned> = soak
            .plan
            .iter()
            .filter(|drive| drive.there && drive.namespace == *namespace)
            .collect();
        let api: Api<RecruitmentDrive> = Api::namespaced(client.clone(), &twin);
        for drive in &planned {
            let object = serde_json::from_value(drive.object()).map_err(Error::unreadable(drive.key()))?;
            let made = api.create(&PostParams::default(), &object).await;
            made.map_err(Error::api(format!("making a twin of {}", drive.key())))?;
        }
        eventually(PATIENCE, "every twin to be Ready", async || {
            let drives = look::drives(client, &twin).await?;
            match drives.iter().find_map(look::unready) {
                None => Ok(()),
                Some(unready) => Err(unready.into()),
            }
        })
        .await?;
        let by_name = async |namespace: &str| -> Result<BTreeMap<String, RecruitmentDrive>, Error> {
            let drives = look::drives(client, namespace).await?;
            Ok(drives.into_iter().map(|drive| (drive.name_any(), drive)).collect())
        };
        let (mine, its) = (by_name(namespace).await?, by_name(&twin).await?);
        let (my_children, its_children) = (
            look::children(client, namespace).await?,
            look::children(client, &twin).await?,
        );
        let nothing = Objects::new();
        for name in planned.iter().map(|drive| &drive.name) {
            let (Some(one), Some(other)) = (mine.get(name), its.get(name)) else {
                differences.push(format!("{namespace}/{name}: the drive itself is lost"));
                continue;
            };
            let of = |all: &BTreeMap<String, Objects>| all.get(name).cloned().unwrap_or_else(|| nothing.clone());
            differences.extend(twins::differences(one, &of(&my_children), other, &of(&its_children)));
        }
    }
    Ok(differences)
}

fn figures(soak: &Soak) {
    let steady = Steady(soak.samples.iter().filter(|sample| sample.who == "steady").collect());
    let all = &steady.0;
    let quarters = |of: fn(&Sample) -> u64| {
        let found = (0..=4_usize).filter_map(|quarter| all.get(all.len().saturating_sub(1) * quarter / 4));
        let texts: Vec<String> = found.map(|sample| (of(sample) / 1024).to_string()).collect();
        texts.join(", ")
    };
    let most = all
        .iter()
        .map(|sample| sample.usage.memory.highest / 1024)
        .max()
        .unwrap_or_default();
    let (before, after) = steady.descriptors();
    let lives: u64 = soak.pair.members.iter().map(|member| member.lives).sum();
    let (requests, broken) = soak.site.steady_proxy.counts();
    let (pair_requests, pair_broken) = soak.site.pair_proxy.counts();
    println!("\n| figure | value |\n|---|---|");
    println!("| actions | {} |", soak.number);
    println!(
        "| the operator that was never ended: resident at first and after each quarter of the time | {} MiB |",
        quarters(|sample| sample.usage.memory.resident)
    );
    println!(
        "| of that its own, without the program's file | {} MiB |",
        quarters(|sample| sample.usage.memory.own)
    );
    println!("| the most it ever had | {most} MiB |");
    if let Some(growth) = steady.growth() {
        println!("| growth of its own memory in the second half | {growth:.1} KiB a minute |");
    }
    println!("| file descriptors, median of the second and the last quarter | {before}, {after} |");
    if let Some(last) = all.last() {
        let share = last.usage.processor.as_secs_f64() * 100.0 / 60.0 / steady.minutes().max(1.0);
        println!(
            "| threads | {} |\n| processor | {share:.1} % of a core |",
            last.usage.threads
        );
    }
    println!("| its requests, and how many were broken | {requests}, {broken} |");
    println!("| processes of the other two | {lives} |");
    println!("| their requests, and how many were broken | {pair_requests}, {pair_broken} |");
}
