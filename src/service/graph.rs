//! What a reload may change of a running service, and what keeps it up to date.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::config::{Config, Id, PipelineId};
use crate::extension::Authenticator;
use crate::pipeline::Pipeline;
use crate::receiver::Routes;
use crate::service::admin::Shown;
use crate::service::build::{self, Deadline};
use crate::service::exporters::AnyExporter;
use crate::service::processors::{Key, Processors};
use crate::stdx::durable::Lock;
use crate::stdx::tasks::Tasks;

/// How long a `risk_tag` that is taken away may take to write down what it remembers.
const KEEPER_GRACE: Duration = Duration::from_secs(2);

/// The parts between the receivers and the destinations.
pub(super) struct Graph {
    /// As it was written: limits that did not fit into memory are not made smaller here.
    pub(super) config: Config,
    pub(super) exporters: BTreeMap<Id, AnyExporter>,
    pub(super) processors: Processors,
    pub(super) pipelines: BTreeMap<PipelineId, Arc<Pipeline>>,
    pub(super) authenticators: BTreeMap<String, Arc<Authenticator>>,
    /// Pipelines that were taken away while requests were still under way in them.
    pub(super) ending: Vec<(PipelineId, Arc<Pipeline>)>,
    pub(super) data_dir: Option<Lock>,
    pub(super) deadlines: Deadline,
}

impl Graph {
    /// Where the requests of a receiver go.
    pub(super) fn routes(&self, receiver: &Id) -> Arc<Routes> {
        Arc::new(build::routes(receiver, &self.config, &self.pipelines, &self.authenticators))
    }

    /// For the admin port.
    pub(super) fn shown(&self) -> Arc<Shown> {
        let (pipelines, authenticators) = (self.pipelines.values().cloned().collect(), self.authenticators.clone());
        Arc::new(Shown { pipelines, authenticators })
    }
}

/// The tasks that keep parts of a graph up to date. All end when this is dropped.
#[derive(Default)]
pub(super) struct Upkeep {
    keepers: BTreeMap<Key, (watch::Sender<bool>, Tasks)>,
    tables: BTreeMap<Id, Tasks>,
    authenticators: BTreeMap<String, (Arc<Authenticator>, Tasks)>,
}

impl Upkeep {
    /// Begins with what is new in the graph, and ends what is no longer there.
    pub(super) async fn follow(&mut self, graph: &mut Graph) {
        self.follow_risk(&mut graph.processors).await;
        let found = &graph.processors;
        self.tables.retain(|id, _| found.has_found(id));
        for (id, reloads) in std::mem::take(&mut graph.processors.reloads) {
            let mut tasks = Tasks::new();
            reloads.into_iter().for_each(|reload| tasks.spawn(reload.run()));
            self.tables.insert(id, tasks);
        }
        let known = &graph.authenticators;
        self.authenticators.retain(|id, (it, _)| known.get(id).is_some_and(|other| Arc::ptr_eq(it, other)));
        for (id, authenticator) in known {
            self.authenticators.entry(id.clone()).or_insert_with(|| {
                let mut tasks = Tasks::new();
                tasks.spawn(Arc::clone(authenticator).stay_fresh());
                (Arc::clone(authenticator), tasks)
            });
        }
    }

    async fn follow_risk(&mut self, processors: &mut Processors) {
        let fresh = std::mem::take(&mut processors.keepers);
        let is_over = |key: &Key| !processors.has_risk(key) || fresh.iter().any(|(new, _)| new == key);
        let over: Vec<Key> = self.keepers.keys().filter(|key| is_over(key)).cloned().collect();
        // Before another one writes to the same file.
        for key in over {
            self.end_keeper(&key).await;
        }
        for (key, keeper) in fresh {
            let (stop, stopped) = watch::channel(false);
            let mut tasks = Tasks::new();
            tasks.spawn(keeper.run(stopped));
            self.keepers.insert(key, (stop, tasks));
        }
    }

    async fn end_keeper(&mut self, key: &Key) {
        if let Some((stop, mut tasks)) = self.keepers.remove(key) {
            stop.send_replace(true);
            tasks.join(KEEPER_GRACE).await;
        }
    }

    /// Has everything written down that is to be remembered.
    pub(super) async fn end(mut self) {
        self.keepers.values().for_each(|(stop, _)| _ = stop.send_replace(true));
        for key in self.keepers.keys().cloned().collect::<Vec<_>>() {
            self.end_keeper(&key).await;
        }
    }
}
