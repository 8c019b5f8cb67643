//! What `on` and `off` share: which releases, and then check, change, wait, and tell.

use std::thread;

use anyhow::{Result, bail};

use crate::change::Change;
use crate::cli;
use crate::doors::ask::Expect;
use crate::doors::find::{Door, find};
use crate::entries::Entries;
use crate::failure::{Interrupted, Misuse};
use crate::in_force::{self, await_in_force};
use crate::kubectl::Kubectl;
use crate::owners::{Writer, owner, renders, renders_now, renders_rest, renders_selector};
use crate::pods::{Pod, Wanted};
use crate::receipt::{Receipt, Switched};
use crate::release::{self, Mode, Release};
use crate::session::Session;
use crate::{preflight, settings, stamp, undo, who};

/// What is to happen to one release.
pub struct Plan {
    /// The release.
    pub release: Release,
    /// Its changes, in order; those that change nothing are left out.
    pub changes: Vec<Change>,
    /// What its pods are waited for to say; nothing where they are not waited for.
    pub pods: Option<Wanted>,
    /// What its front doors should answer.
    pub expect: Expect,
    /// The application has no ready pod, and it is gone on all the same.
    pub empty: bool,
    /// What people should know.
    pub notes: Vec<String>,
    /// What is around it.
    pub entries: Entries,
    /// Its front doors.
    pub doors: Vec<Door>,
}

/// The releases that are named, else the only one in the namespace.
///
/// # Errors
/// Where one is not there, or none is named and there is not just one.
pub fn choose(session: &Session<'_>, switch: &cli::Switch, receipt: &mut Receipt) -> Result<Vec<Release>> {
    let namespace = match &switch.place.namespace {
        Some(namespace) => namespace.clone(),
        None => who::namespace(session.kubectl)?,
    };
    receipt.namespace = Some(namespace.clone());
    let there = release::find(session.kubectl, Some(&namespace), None)?;
    let chosen = among(session.kubectl, there, &switch.releases, &namespace)?;
    match chosen.iter().find_map(Release::obstacle) {
        Some(why) => bail!("{why}. Nothing has changed"),
        None => Ok(chosen),
    }
}

fn among(kubectl: &dyn Kubectl, mut there: Vec<Release>, wanted: &[String], namespace: &str) -> Result<Vec<Release>> {
    if wanted.is_empty() {
        return match there.len() {
            1 => Ok(there),
            0 => match release::nothing(kubectl, Some(namespace), None)? {
                Some(why) => bail!(why),
                None => {
                    Err(Misuse(format!("there is no release in namespace {namespace}: name another with --namespace"))
                        .into())
                }
            },
            _ => {
                let names = there.iter().map(|release| release.name.as_str()).collect::<Vec<_>>().join(", ");
                Err(Misuse(format!("there are several releases in namespace {namespace}, so name one: {names}")).into())
            }
        };
    }
    for name in wanted {
        if !there.iter().any(|release| &release.name == name) {
            bail!(release::absent(kubectl, Some(namespace), name, &there)?);
        }
    }
    there.retain(|release| wanted.contains(&release.name));
    Ok(there)
}

/// Ends the command for a reason that `--force` overrules.
///
/// # Errors
/// Without `--force`.
pub fn refuse(session: &Session<'_>, force: bool, why: &str) -> Result<()> {
    if !force {
        bail!("{why}. Nothing has changed; --force goes on all the same");
    }
    session.output.note(&format!("forced: {why}"));
    Ok(())
}

impl Plan {
    /// A plan for a release: with what is around it, and without changes that change nothing. Refuses what Argo CD or Flux
    /// would take back, and says what Helm will do.
    ///
    /// # Errors
    /// Where it is refused, or the cluster cannot be asked.
    pub fn new(
        session: &Session<'_>,
        force: bool,
        release: Release,
        mode: Mode,
        changes: Vec<Change>,
        pods: &[Pod],
    ) -> Result<Self> {
        let entries = Entries::read(session.kubectl, &release.namespace)?;
        let doors = find(&entries.all, &release.services(&entries.services, pods));
        let withdrawn = pods.iter().any(|pod| pod.withdrawn);
        let changes: Vec<Change> = changes.into_iter().filter(|change| !change.is_empty()).collect();
        let mut plan = Self {
            release,
            changes,
            pods: None,
            expect: match mode {
                Mode::Normal => Expect::Application,
                Mode::Maintenance if withdrawn => Expect::WithoutPage,
                Mode::Maintenance => Expect::Page,
            },
            empty: false,
            notes: Vec::new(),
            entries,
            doors,
        };
        for (kinds, why) in &plan.entries.unseen {
            plan.notes.push(format!("{kinds} may not be listed, so front doors may be missing: {why}"));
        }
        for change in &plan.changes {
            refuse_what_is_taken_back(session, force, change, mode)?;
        }
        plan.notes.extend(next_upgrade(&plan.changes, mode));
        Ok(plan)
    }

    /// What open connections do, where kube-proxy made them: for certain where a front Service has a port on the nodes, and
    /// where no entry leads to it.
    #[must_use]
    pub fn open_connections(&self) -> Option<String> {
        let unnamed = self.doors.is_empty();
        let behind = self.release.fronts.iter().filter(|front| unnamed || front.on_nodes());
        let behind: Vec<String> = behind.map(|front| front.name().to_string()).collect();
        (!behind.is_empty() && !self.changes.is_empty()).then(|| {
            format!(
                "through a cluster IP, a node port or a load balancer before node ports ({}), connections that are open stay where they are until they end",
                behind.join(", ")
            )
        })
    }
}

/// A field that a change writes, and who renders it.
struct Field {
    name: String,
    object: String,
    /// Nobody, where it is not rendered.
    writer: Option<Writer>,
    /// Who renders the rest of its object.
    rest: Option<Writer>,
    /// A text of the page, and not the mode.
    text: bool,
    /// Whether its value is the renderer's, and not one that we or somebody else have set since.
    theirs: bool,
}

fn fields(change: &Change) -> Vec<Field> {
    let object = &change.before;
    let field = |name: String, at: &[&str], writer| Field {
        name,
        object: change.object.to_string(),
        writer,
        rest: renders_rest(object),
        text: [["data", settings::MESSAGE], ["data", settings::UNTIL]].iter().any(|text| text == at),
        theirs: renders_now(object, at).is_some(),
    };
    let keys = settings::keys(change).into_iter();
    let keys = keys.map(|key| field(format!("data.{key}"), &["data", key], renders(object, &["data", key])));
    let selector = change
        .changes("/spec/selector")
        .then(|| field("spec.selector".to_owned(), &["spec", "selector"], Some(renders_selector(object))));
    keys.chain(selector).collect()
}

/// Refuses a change of what Argo CD or Flux renders.
fn refuse_what_is_taken_back(session: &Session<'_>, force: bool, change: &Change, mode: Mode) -> Result<()> {
    let Some(owner) = owner(&change.before) else { return Ok(()) };
    let rendered = fields(change).into_iter().find(|field| field.writer.is_some());
    if let (Some(instead), Some(Field { name, .. })) = (owner.instead(mode), rendered) {
        let why = format!("{} is written by {}, which renders {name}; {instead}", change.object, owner.describe());
        refuse(session, force, &why)?;
    }
    Ok(())
}

/// One line on what the next `helm upgrade` does to all changes of a release.
fn next_upgrade(changes: &[Change], mode: Mode) -> Option<String> {
    let owner = changes.iter().find_map(|change| owner(&change.before))?;
    let (texts, modes): (Vec<_>, Vec<_>) = changes.iter().flat_map(fields).partition(|field| field.text);
    let named = |fields: &[Field]| {
        fields.iter().map(|field| format!("{} of {}", field.name, field.object)).collect::<Vec<_>>().join(", ")
    };
    let (rendered, unset): (Vec<_>, Vec<_>) = modes.into_iter().partition(|field| field.writer.is_some());
    if mode == Mode::Normal {
        // `off` gives back who owns what, but where Helm itself has set maintenance.
        let theirs: Vec<_> = rendered.into_iter().filter(|field| field.theirs).collect();
        return owner.next_upgrade(&named(&theirs), theirs.first()?.writer.as_ref(), mode);
    }
    let of_mode = match (rendered.first(), unset.first()) {
        (Some(field), _) => owner.next_upgrade(&named(&rendered), field.writer.as_ref(), mode),
        (None, Some(_)) => owner.next_upgrade(&named(&unset), None, mode),
        (None, None) => None,
    };
    // Helm 4 conflicts at a text that it has not rendered yet, too.
    let conflicts = |field: &Field| field.rest.as_ref().is_some_and(|rest| rest.applies);
    let texts: Vec<_> = texts.into_iter().filter(|field| field.writer.is_some() || conflicts(field)).collect();
    let writer = texts.first().and_then(|field| field.writer.as_ref().or(field.rest.as_ref()));
    match writer {
        Some(writer) => owner.next_upgrade_of_texts(of_mode.as_deref(), &named(&texts), writer),
        None => of_mode,
    }
}

/// Checks, changes, waits, and tells. Whether it is in force everywhere.
///
/// # Errors
/// Where a check or a change failed, or Ctrl-C was pressed.
pub fn carry_out(
    session: &Session<'_>,
    switch: &cli::Switch,
    mode: Mode,
    plans: &[Plan],
    receipt: &mut Receipt,
) -> Result<bool> {
    receipt.plan(plans);
    let places: Vec<_> = plans.iter().map(|plan| in_force::places(switch, plan)).collect();
    thread::scope(|scope| {
        let mut doors = Vec::new();
        if switch.wait && !switch.dry_run {
            // Before the checks, which take a second: so each has answered before the first change.
            let places = plans.iter().zip(&places);
            doors.extend(places.map(|(plan, places)| in_force::watch_doors(scope, session, switch, plan, places)));
        }
        check(session, switch, plans)?;
        if switch.dry_run {
            for (at, (plan, places)) in plans.iter().zip(&places).enumerate() {
                in_force::would(session, switch, mode, plan);
                let doors = in_force::not_asked(places, "not asked, as nothing was changed");
                receipt.switched(at, Switched { doors, ..Switched::default() });
            }
            return Ok(true);
        }
        let started = session.clock.now();
        change(session, mode, plans, receipt)?;
        if !switch.wait {
            for (at, (plan, places)) in plans.iter().zip(&places).enumerate() {
                let doors = in_force::not_asked(places, "not asked, as it was not waited for");
                let switched = Switched { doors, ..Switched::default() };
                in_force::tell(session, switch, &format!("{}: ", plan.release.name), mode, &switched, started);
                receipt.switched(at, switched);
            }
            return Ok(true);
        }
        let mut interrupted = Vec::new();
        for (at, (plan, doors)) in plans.iter().zip(doors).enumerate() {
            let name = &plan.release.name;
            let switched = await_in_force(session, switch, mode, plan, doors, started).unwrap_or_else(|why| Switched {
                waited: true,
                problem: Some(format!("is changed to {mode}, and whether that is in force cannot be told: {why:#}")),
                ..Switched::default()
            });
            if session.stopped() {
                let how_far = switched.problem.as_deref().unwrap_or("it is in force");
                interrupted.push(format!("{name} is changed to {mode}, and nothing is put back: {how_far}"));
            } else {
                in_force::tell(session, switch, &format!("{name}: "), mode, &switched, started);
            }
            receipt.switched(at, switched);
        }
        if session.stopped() {
            return Err(Interrupted(interrupted.join("; ")).into());
        }
        Ok(receipt.good())
    })
}

/// What is checked before the first change.
fn check(session: &Session<'_>, switch: &cli::Switch, plans: &[Plan]) -> Result<()> {
    let changes: Vec<&Change> = plans.iter().flat_map(|plan| &plan.changes).collect();
    preflight::patches(session, &changes)?;
    if switch.wait && !changes.is_empty() {
        let releases: Vec<_> = plans.iter().map(|plan| (&plan.release, plan.pods.is_some())).collect();
        preflight::rights(session, &releases)?;
    }
    for plan in plans {
        for note in &plan.notes {
            session.output.note(&format!("{}: {note}", plan.release.name));
        }
    }
    Ok(())
}

/// Makes all changes, or none; after `off` it gives back who owns which field.
fn change(session: &Session<'_>, mode: Mode, plans: &[Plan], receipt: &mut Receipt) -> Result<()> {
    let changes: Vec<&Change> = plans.iter().flat_map(|plan| &plan.changes).collect();
    receipt.changes_begin(session.clock.now());
    let mut states = Vec::new();
    let made = undo::make(session, &changes, &mut states);
    receipt.changed(&states);
    let objects = made?;
    if mode == Mode::Normal {
        for (change, now) in changes.iter().zip(objects) {
            let (kept, stay) = (stamp::kept_managed_fields(change), stamp::not_given_back(change));
            if let Err(why) = undo::give_back(session, &change.object, now, &kept, &stay) {
                session.output.note(&format!("{} in namespace {}: {why:#}", change.object, change.object.namespace));
            }
        }
    }
    Ok(())
}
