//! The soak itself: one action after the other, and a look each minute.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ras_tests::{Error, Fault, Match, Operator};

use super::Arguments;
use super::action::{Action, Edit, Side, StoreTrouble, choose};
use super::chance::Chance;
use super::log::Log;
use super::measure::{self, Sample};
use super::pair::Pair;
use super::population::Planned;
use super::site::Site;
use super::{end, look, meddle};

const MINUTE: Duration = Duration::from_secs(60);
/// How long all drives may take to be Ready in the beginning.
const PATIENCE: Duration = Duration::from_secs(180);

/// A fault that ends after some actions.
#[derive(Clone, Copy, Debug)]
enum Undo {
    Resume(usize),
    Unpause(usize),
    Repair(usize),
    Create(usize),
    Heal(Side),
    HealStore,
}

/// State of the soak test.
pub struct Soak {
    pub site: Site,
    pub steady: Operator,
    pub pair: Pair,
    pub plan: Vec<Planned>,
    pub samples: Vec<Sample>,
    pub faults: Vec<String>,
    /// UIDs of what holds data, as they were when they were first seen.
    pub kept: BTreeMap<String, String>,
    pub log: Log,
    later: BTreeMap<u64, Vec<Undo>>,
    started: Instant,
    pub number: u64,
    seed: u64,
}

/// Soaks, and says what is wrong in the end.
pub async fn soak(arguments: &Arguments) -> Result<Vec<String>, Error> {
    println!(
        "{} minutes, {} drives, seed {}; every action is in {}",
        arguments.minutes,
        arguments.drives,
        arguments.seed,
        arguments.log.display()
    );
    let mut soak = Soak::start(arguments).await?;
    let ran = soak.run(arguments).await;
    let ended = match ran {
        Ok(()) => end::judge(&mut soak).await,
        Err(error) => Err(error),
    };
    let operators = soak.site.cluster.description().folder.join("operators");
    println!("operators' logs: {}", soak.log.keep(&operators)?.display());
    ended?;
    let Soak {
        site,
        pair,
        mut steady,
        faults,
        ..
    } = soak;
    pair.stop().await?;
    steady.stop().await?;
    site.cluster.stop().await?;
    Ok(faults)
}

impl Soak {
    async fn start(arguments: &Arguments) -> Result<Self, Error> {
        let log = Log::create(&arguments.log)?;
        let site = Site::start(arguments.seed).await?;
        let steady_options = site.options(&site.steady, Some(&site.steady_proxy))?;
        let steady = Operator::start(&site.cluster, &site.steady.home, &steady_options).await?;
        let pair_options = site.options(&site.pair, Some(&site.pair_proxy))?;
        let pair = Pair::new(site.pair.home.name().to_owned(), &pair_options);
        let lands = [site.pair.names(), site.steady.names()];
        let plan = (0..arguments.drives)
            .filter_map(|number| {
                let names = lands.get(number % 2)?;
                let namespace = names.get(number / 2 % 2)?;
                Some(Planned::new(number, namespace.clone()))
            })
            .collect();
        Ok(Self {
            site,
            steady,
            pair,
            plan,
            samples: Vec::new(),
            faults: Vec::new(),
            kept: BTreeMap::new(),
            log,
            later: BTreeMap::new(),
            started: Instant::now(),
            number: 0,
            seed: arguments.seed,
        })
    }

    async fn run(&mut self, arguments: &Arguments) -> Result<(), Error> {
        self.tend().await?;
        self.settle(PATIENCE).await?;
        println!(
            "all drives are Ready after {:.0} s",
            self.started.elapsed().as_secs_f64()
        );
        self.started = Instant::now();
        self.look().await?;
        let mut minutes = 1;
        while self.started.elapsed() < arguments.length() {
            let next = Instant::now() + arguments.pace();
            self.number += 1;
            self.undo();
            self.tend().await?;
            self.act().await?;
            self.say().await?;
            if self.started.elapsed() >= MINUTE * minutes {
                minutes += 1;
                self.look().await?;
            }
            tokio::time::sleep_until(next.into()).await;
        }
        Ok(())
    }

    /// Keeps the pair running, and the third one from having ended unnoticed.
    pub async fn tend(&mut self) -> Result<(), Error> {
        self.steady.check_running()?;
        for news in self
            .pair
            .tend(&self.site.cluster, &self.site.pair.home, self.number)
            .await
        {
            self.log.line(self.number, &news)?;
            self.faults.push(format!("action {}: {news}", self.number));
        }
        Ok(())
    }

    /// Brings the cluster to have the drives it is to have.
    pub async fn say(&mut self) -> Result<(), Error> {
        for drive in &mut self.plan {
            drive.say(&self.site.client).await?;
        }
        Ok(())
    }

    /// Waits until every drive is Ready.
    pub async fn settle(&mut self, limit: Duration) -> Result<(), Error> {
        let started = Instant::now();
        let mut looks = 0_u32;
        loop {
            self.say().await?;
            self.tend().await?;
            let mut last = self.unready().await.unwrap_or_else(|error| vec![error.to_string()]);
            last.extend(
                self.plan
                    .iter()
                    .filter(|drive| drive.wanted && (!drive.there || drive.unsaid))
                    .map(Planned::key),
            );
            if last.is_empty() {
                return Ok(());
            }
            if started.elapsed() > limit {
                return Err(Error::Waited {
                    what: "every drive to be Ready".to_owned(),
                    waited: started.elapsed(),
                    last_seen: last.join("\n"),
                });
            }
            if looks.is_multiple_of(30) && looks > 0 {
                println!(
                    "      after {:.0} s: {}",
                    started.elapsed().as_secs_f64(),
                    last.join("\n      ")
                );
            }
            looks += 1;
            self.number += 1;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn unready(&self) -> Result<Vec<String>, Error> {
        let mut all = Vec::new();
        for namespace in self.namespaces() {
            let drives = look::drives(&self.site.client, &namespace).await?;
            all.extend(drives.iter().filter_map(look::unready));
        }
        Ok(all)
    }

    pub fn namespaces(&self) -> Vec<String> {
        [self.site.pair.names(), self.site.steady.names()].concat()
    }

    fn after(&mut self, actions: u64, undo: Undo) {
        self.later.entry(self.number + actions).or_default().push(undo);
    }

    /// Ends whatever has lasted long enough.
    fn undo(&mut self) {
        let still = self.later.split_off(&(self.number + 1));
        for undo in std::mem::replace(&mut self.later, still).into_values().flatten() {
            self.end(undo);
        }
    }

    /// Ends everything that would end by itself, but leaves drives deleted that are.
    pub fn undo_all(&mut self) {
        for undo in std::mem::take(&mut self.later).into_values().flatten() {
            if !matches!(undo, Undo::Create(_)) {
                self.end(undo);
            }
        }
        self.pair.thaw();
    }

    fn end(&mut self, undo: Undo) {
        let (Undo::Resume(drive) | Undo::Unpause(drive) | Undo::Repair(drive) | Undo::Create(drive)) = undo else {
            match undo {
                Undo::Heal(Side::Pair) => self.site.pair_proxy.set(None),
                Undo::Heal(Side::Steady) => self.site.steady_proxy.set(None),
                _ => self.site.store_proxy.heal(),
            }
            return;
        };
        let Some(drive) = self.plan.get_mut(drive) else { return };
        drive.unsaid = true;
        match undo {
            Undo::Resume(_) => drive.settings.suspend = false,
            Undo::Unpause(_) => drive.settings.paused = false,
            Undo::Repair(_) => drive.settings.lacking = false,
            _ => drive.wanted = true,
        }
    }

    /// Does what comes next, and writes down what that was.
    async fn act(&mut self) -> Result<(), Error> {
        let mut chance = Chance::of(self.seed, self.number);
        let action = choose(&mut chance, self.plan.len());
        let outcome = self.carry_out(&action, &mut chance).await?;
        self.log.line(self.number, &format!("{action:?}: {outcome}"))
    }

    async fn carry_out(&mut self, action: &Action, chance: &mut Chance) -> Result<String, Error> {
        let client = self.site.client.clone();
        let nobody = || Ok("no drive".to_owned());
        Ok(match *action {
            Action::Edit(number, edit) => {
                self.edit(number, edit, chance);
                self.plan
                    .get(number)
                    .map_or_else(String::new, |drive| format!("{} {:?}", drive.key(), drive.settings))
            }
            Action::Refused(number) => {
                let Some(drive) = self.plan.get(number) else {
                    return nobody();
                };
                match drive.ask_for_nonsense(&client).await {
                    Some(true) => "refused".to_owned(),
                    Some(false) => {
                        self.faults
                            .push(format!("action {}: nonsense was accepted", self.number));
                        "accepted".to_owned()
                    }
                    None => "no answer".to_owned(),
                }
            }
            Action::Delete(number, how) => {
                let Some(drive) = self.plan.get_mut(number) else {
                    return nobody();
                };
                if !drive.wanted {
                    return Ok(format!("{} is deleted already", drive.key()));
                }
                (drive.wanted, drive.doomed) = (how.back_after == 0, Some(how.foreground));
                let key = drive.key();
                if how.back_after > 0 {
                    self.after(how.back_after, Undo::Create(number));
                }
                key
            }
            Action::DeleteChild(number, chosen) => {
                let Some(drive) = self.plan.get(number) else {
                    return nobody();
                };
                meddle::delete(&client, drive, chosen).await
            }
            Action::Drift(number, chosen) => {
                let Some(drive) = self.plan.get(number) else {
                    return nobody();
                };
                meddle::drift(&client, drive, chosen).await
            }
            Action::DeletePod(number, chosen) => {
                let Some(drive) = self.plan.get(number) else {
                    return nobody();
                };
                meddle::delete_pod(&client, drive, chosen).await
            }
            Action::KillLeader => self.pair.kill(&client, true, self.number).await,
            Action::KillStandby => self.pair.kill(&client, false, self.number).await,
            Action::EndLeader => match self.pair.end(&client, self.number).await {
                Ok(outcome) => outcome,
                Err(error) => {
                    self.faults.push(format!("action {}: {error}", self.number));
                    error.to_string()
                }
            },
            Action::Freeze(lasts) => self.pair.freeze(&client, self.number + lasts).await,
            Action::RestartApiServer => {
                self.site.cluster.restart_apiserver().await?;
                String::new()
            }
            Action::Trouble(side, trouble, lasts) => {
                let proxy = match side {
                    Side::Pair => &self.site.pair_proxy,
                    Side::Steady => &self.site.steady_proxy,
                };
                proxy.set(Some(trouble));
                self.after(lasts, Undo::Heal(side));
                String::new()
            }
            Action::StoreTrouble(trouble, lasts) => {
                let fault = match trouble {
                    StoreTrouble::SlowDown => Fault::Answer(503, "SlowDown", "please reduce your request rate"),
                    StoreTrouble::Cut => Fault::CutAfter,
                    StoreTrouble::Hang => Fault::Hang,
                    StoreTrouble::Slow => Fault::Delay(Duration::from_secs(1)),
                };
                self.site.store_proxy.fault(Match::Every, fault);
                self.after(lasts, Undo::HealStore);
                String::new()
            }
        })
    }

    fn edit(&mut self, number: usize, edit: Edit, chance: &mut Chance) {
        let Some(drive) = self.plan.get_mut(number) else { return };
        drive.unsaid = true;
        let settings = &mut drive.settings;
        let undo = match edit {
            Edit::Image => {
                settings.image += 1;
                None
            }
            Edit::Replicas => {
                settings.replicas = 1 + chance.below(3);
                None
            }
            Edit::Files => {
                settings.content += 1;
                None
            }
            Edit::Value => {
                settings.value += 1;
                None
            }
            Edit::Extra => {
                settings.extra = !settings.extra;
                None
            }
            Edit::Suspend(lasts) => {
                settings.suspend = true;
                Some((lasts, Undo::Resume(number)))
            }
            Edit::Pause(lasts) => {
                settings.paused = true;
                Some((lasts, Undo::Unpause(number)))
            }
            Edit::Lack(lasts) => {
                settings.lacking = true;
                Some((lasts, Undo::Repair(number)))
            }
        };
        if let Some((lasts, undo)) = undo {
            self.after(lasts, undo);
        }
    }

    /// Looks at operators and drives, and prints that.
    pub async fn look(&mut self) -> Result<(), Error> {
        let minute = self.started.elapsed().as_secs_f64() / 60.0;
        let mut now = Vec::new();
        let mut sample = |who, life, operator: &Operator| {
            // Who has ended a moment ago has nothing to look at.
            if let Ok(usage) = operator.usage() {
                now.push(Sample {
                    minute,
                    who,
                    life,
                    usage,
                });
            }
        };
        sample("steady", 1, &self.steady);
        for member in &self.pair.members {
            if let Some(operator) = &member.operator {
                sample(member.name, member.lives, operator);
            }
        }
        let counted = look::count(&self.site.client, &self.namespaces(), &self.plan).await;
        match counted {
            Ok(counts) => println!(
                "{minute:>5.1} min, action {:>5}: {} of {} drives, {} Ready; {} of {} Deployments",
                self.number,
                counts.drives,
                counts.drives_wanted,
                counts.ready,
                counts.deployments,
                counts.deployments_wanted
            ),
            Err(error) => println!("{minute:>5.1} min, action {:>5}: {error}", self.number),
        }
        for sample in &now {
            println!("      {}", measure::line(sample));
        }
        self.samples.extend(now);
        if let Ok(kept) = look::kept(&self.site.client, &self.plan).await {
            for (name, uid) in kept {
                self.kept.entry(name).or_insert(uid);
            }
        }
        Ok(())
    }
}
