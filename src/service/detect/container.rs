//! The id of the container that telseal runs in: 64 hexadecimal digits that container runtimes put into the paths of
//! cgroups (version 1) and of files they mount (version 2).

use super::{Found, World, text};

/// Digits of an id.
const ID_LEN: usize = 64;

pub(super) fn find(world: &World<'_>) -> Found {
    let of = |path, find: fn(&str) -> Option<&str>| world.file(path)?.lines().find_map(find).map(str::to_owned);
    let id = of("/proc/self/cgroup", in_cgroup).or_else(|| of("/proc/self/mountinfo", in_mount));
    id.map(|id| text("container.id", id)).into_iter().collect()
}

/// `12:cpu:/docker/ID`, `0::/system.slice/docker-ID.scope`, `../cri-containerd-ID.scope`, `../libpod-ID.scope`.
fn in_cgroup(line: &str) -> Option<&str> {
    let last = line.rsplit('/').next()?;
    let name = last.strip_suffix(".scope").unwrap_or(last);
    let name = name.rsplit(['-', ':']).next()?;
    is_id(name).then_some(name)
}

/// Runtimes mount `/etc/hostname` and its like from a folder that is named by the container: `../containers/ID/hostname`,
/// `../overlay-containers/ID/userdata/hostname`. In Kubernetes these belong to the pod's sandbox; there the id
/// of the sandbox is not taken for the container's.
fn in_mount(line: &str) -> Option<&str> {
    let mut fields = line.split(' ');
    let (root, point) = (fields.nth(3)?, fields.next()?);
    if !matches!(point, "/etc/hostname" | "/etc/hosts" | "/etc/resolv.conf") || root.contains("/sandboxes/") {
        return None;
    }
    let parts = root.split('/').zip(root.split('/').skip(1));
    parts.filter(|(folder, _)| folder.ends_with("containers")).map(|(_, id)| id).find(|id| is_id(id))
}

fn is_id(text: &str) -> bool {
    text.len() == ID_LEN && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{put, world};
    use super::*;

    const ID: &str = "7be92808767a667f35c8505cbf40d14e931ef6db5b0210329cf193b15ba9d605";

    #[test]
    fn ids_stand_in_cgroups_of_version_1() {
        for line in ["12:cpu:/docker/ID", "1:name=systemd:/kubepods/burstable/pod1/ID", "0::/x/docker-ID.scope"] {
            assert_eq!(in_cgroup(&line.replace("ID", ID)), Some(ID), "{line}");
        }
        for line in ["0::/x.slice/cri-containerd-ID.scope", "0::/libpod-ID.scope", "5:a:/s/pod1:cri-containerd:ID"] {
            assert_eq!(in_cgroup(&line.replace("ID", ID)), Some(ID), "{line}");
        }
        for line in ["0::/", "0::/user.slice/session-3.scope", "0::/docker/abc"] {
            assert_eq!(in_cgroup(line), None, "{line}");
        }
    }

    #[test]
    fn ids_stand_in_mounts_where_the_cgroup_is_hidden() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "proc/self/cgroup", "0::/\n");
        let mounts = "600 590 254:1 / / rw - overlay overlay rw\n\
                      621 600 254:1 /var/lib/docker/containers/ID/hostname /etc/hostname rw - ext4 /dev/vda1 rw\n";
        put(root.path(), "proc/self/mountinfo", &mounts.replace("ID", ID));
        assert_eq!(find(&world(root.path(), &|_| None)), [text("container.id", ID)]);
        let podman = "1 2 0:3 /containers/storage/overlay-containers/ID/userdata/hosts /etc/hosts rw - tmpfs t rw";
        assert_eq!(in_mount(&podman.replace("ID", ID)), Some(ID));
        let sandbox = "1 2 0:3 /var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/ID/hostname /etc/hostname rw";
        assert_eq!(in_mount(&sandbox.replace("ID", ID)), None);
    }

    #[test]
    fn outside_a_container_nothing_is_found() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(find(&world(root.path(), &|_| None)), []);
    }
}
