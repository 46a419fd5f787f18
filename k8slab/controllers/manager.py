"""The loops that need nothing but a client and a clock: most of what kube-controller-manager runs.

`server.py` starts each of them, and the few that are handed more (volumes, metrics, addresses, certificates).
"""

from k8slab.controllers.cronjob import CronJobController
from k8slab.controllers.daemonset import DaemonSetController
from k8slab.controllers.deployment import DeploymentController
from k8slab.controllers.disruption import DisruptionController, StaleDisruptionController
from k8slab.controllers.endpoints import EndpointsController, EndpointSliceController
from k8slab.controllers.ephemeral import EphemeralVolumeController
from k8slab.controllers.job import JobController
from k8slab.controllers.job_release import JobPodReleaser
from k8slab.controllers.mirroring import EndpointSliceMirroringController
from k8slab.controllers.node_ttl import NodeTTLController
from k8slab.controllers.nodelifecycle import NodeLifecycleController, TaintEvictionController
from k8slab.controllers.persistentvolume import PersistentVolumeController
from k8slab.controllers.podgc import PodGarbageCollector
from k8slab.controllers.protection import ClaimProtectionController, VolumeProtectionController
from k8slab.controllers.quota import ResourceQuotaController
from k8slab.controllers.replicaset import ReplicaSetController, ReplicationManager
from k8slab.controllers.serviceaccounts import ServiceAccountController
from k8slab.controllers.statefulset import StatefulSetController
from k8slab.controllers.ttl_after_finished import TTLAfterFinishedController

CONTROLLERS = (
    DeploymentController,
    ReplicaSetController,
    ReplicationManager,
    StatefulSetController,
    DaemonSetController,
    JobController,
    JobPodReleaser,
    TTLAfterFinishedController,
    CronJobController,
    EndpointsController,
    EndpointSliceController,
    EndpointSliceMirroringController,
    NodeLifecycleController,
    NodeTTLController,
    TaintEvictionController,
    PodGarbageCollector,
    DisruptionController,
    StaleDisruptionController,
    PersistentVolumeController,
    EphemeralVolumeController,
    ResourceQuotaController,
    ServiceAccountController,
    ClaimProtectionController,
    VolumeProtectionController,
)
