//! Node objects as a kubelet would register them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    ContainerImage, Node, NodeAddress, NodeCondition, NodeSpec, NodeStatus, NodeSystemInfo, Taint,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

/// What a node's Ready condition says.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Readiness {
    /// The kubelet works.
    #[default]
    True,
    /// The kubelet says that it does not.
    False,
    /// The kubelet says nothing any more.
    Unknown,
}

impl Readiness {
    /// The condition's status.
    const fn status(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }

    /// The condition's reason, as kubelets and the node controller give it.
    const fn reason(self) -> &'static str {
        match self {
            Self::True => "KubeletReady",
            Self::False => "KubeletNotReady",
            Self::Unknown => "NodeStatusUnknown",
        }
    }

    /// The condition, as of now.
    #[expect(clippy::disallowed_methods, reason = "a kubelet reads the wall clock")]
    pub(crate) fn condition(self) -> NodeCondition {
        let now = Time(Timestamp::now());
        NodeCondition {
            type_: "Ready".to_owned(),
            status: self.status().to_owned(),
            reason: Some(self.reason().to_owned()),
            message: Some("set by the test".to_owned()),
            last_heartbeat_time: Some(now.clone()),
            last_transition_time: Some(now),
        }
    }
}

/// A Node to be: Ready, with 8 cores, 32 GiB, room for 110 pods, and identifiers of its own.
#[derive(Clone, Debug)]
#[must_use]
pub struct NodeBuilder {
    name: String,
    identifiers: NodeSystemInfo,
    capacity: BTreeMap<String, Quantity>,
    images: Vec<ContainerImage>,
    labels: BTreeMap<String, String>,
    taints: Vec<Taint>,
    readiness: Readiness,
}

impl NodeBuilder {
    /// A node with a name. Its boot ID is `boot-NAME`, its machine ID `machine-NAME` and its
    /// system UUID `system-NAME`.
    pub fn new(name: &str) -> Self {
        let blank = Self {
            name: String::new(),
            identifiers: system_info(),
            capacity: BTreeMap::new(),
            images: Vec::new(),
            labels: BTreeMap::new(),
            taints: Vec::new(),
            readiness: Readiness::True,
        };
        let blank = blank
            .capacity("cpu", "8")
            .capacity("memory", "32Gi")
            .capacity("pods", "110");
        blank.named(name)
    }

    /// The same with another name, and with the identifiers that follow from it.
    pub fn named(&self, name: &str) -> Self {
        let mut named = self.clone();
        name.clone_into(&mut named.name);
        named
            .label("kubernetes.io/hostname", name)
            .boot_id(&format!("boot-{name}"))
            .machine_id(&format!("machine-{name}"))
            .system_uuid(&format!("system-{name}"))
    }

    /// Sets the boot ID.
    pub fn boot_id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.identifiers.boot_id);
        self
    }

    /// Sets the machine ID.
    pub fn machine_id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.identifiers.machine_id);
        self
    }

    /// Sets the system UUID.
    pub fn system_uuid(mut self, id: &str) -> Self {
        id.clone_into(&mut self.identifiers.system_uuid);
        self
    }

    /// Sets how much it has of a resource, such as `cpu`; all of it can be allocated.
    pub fn capacity(mut self, resource: &str, quantity: &str) -> Self {
        self.capacity
            .insert(resource.to_owned(), Quantity(quantity.to_owned()));
        self
    }

    /// Adds a label.
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Adds a taint with an effect, such as `NoSchedule`.
    pub fn taint(mut self, key: &str, value: &str, effect: &str) -> Self {
        self.taints.push(Taint {
            key: key.to_owned(),
            value: Some(value.to_owned()),
            effect: effect.to_owned(),
            time_added: None,
        });
        self
    }

    /// Sets which images it has.
    pub fn images(mut self, images: Vec<ContainerImage>) -> Self {
        self.images = images;
        self
    }

    /// Sets what its Ready condition says.
    pub const fn readiness(mut self, readiness: Readiness) -> Self {
        self.readiness = readiness;
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its Ready condition will say.
    pub(crate) const fn is_ready(&self) -> bool {
        matches!(self.readiness, Readiness::True)
    }

    /// The object.
    #[must_use]
    pub fn build(&self) -> Node {
        let metadata = ObjectMeta {
            name: Some(self.name.clone()),
            labels: Some(self.labels.clone()),
            ..ObjectMeta::default()
        };
        let taints = Some(self.taints.clone()).filter(|taints| !taints.is_empty());
        let spec = NodeSpec {
            taints,
            ..NodeSpec::default()
        };
        Node {
            metadata,
            spec: Some(spec),
            status: Some(self.status()),
        }
    }

    /// Its status. The API server keeps what a new Node's status says.
    fn status(&self) -> NodeStatus {
        let address = |type_: &str, address: &str| NodeAddress {
            type_: type_.to_owned(),
            address: address.to_owned(),
        };
        NodeStatus {
            addresses: Some(vec![
                address("InternalIP", "127.0.0.1"),
                address("Hostname", &self.name),
            ]),
            allocatable: Some(self.capacity.clone()),
            capacity: Some(self.capacity.clone()),
            conditions: Some(vec![self.readiness.condition()]),
            images: Some(self.images.clone()).filter(|images| !images.is_empty()),
            node_info: Some(self.identifiers.clone()),
            phase: Some("Running".to_owned()),
            ..NodeStatus::default()
        }
    }
}

/// What a kubelet says of its machine, but for the identifiers.
fn system_info() -> NodeSystemInfo {
    NodeSystemInfo {
        architecture: "amd64".to_owned(),
        container_runtime_version: "containerd://2.2.0".to_owned(),
        kernel_version: "6.12.0".to_owned(),
        kubelet_version: "v1.37.1".to_owned(),
        operating_system: "linux".to_owned(),
        os_image: "Test Linux".to_owned(),
        ..NodeSystemInfo::default()
    }
}
