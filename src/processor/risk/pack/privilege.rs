//! More rights than the action was given.

use super::Level::{High, Low};
use super::Rule;
use super::Target::{Command, Write};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "AG-PRIV-001",
        level: Low,
        reason: "Runs with the rights of the administrator.",
        categories: &["privilege"],
        attack: &["T1548.003"],
        patterns: &[(Command, r"{start}(?:sudo|doas|pkexec|su\s+-c?)\s")],
        hits: &[(Command, "sudo apt-get install -y jq"), (Command, "make && doas make install")],
        misses: &[(Command, "sudoku --solve"), (Command, "cat sudo.md"), (Command, "visudo-like")],
    },
    Rule {
        id: "AG-PRIV-002",
        level: High,
        reason: "Starts or enters a container with power over the whole host.",
        categories: &["privilege", "container-escape"],
        attack: &["T1611"],
        patterns: &[
            (Command, r"{start}(?:docker|podman|nerdctl)\s{args}--privileged"),
            (Command, r"{start}(?:docker|podman|nerdctl)\s{args}(?:-v|--volume)[\s=]+/:"),
            (
                Command,
                r"{start}(?:docker|podman|nerdctl)\s{args}(?:docker\.sock|--pid[=\s]host|--cap-add[=\s](?:ALL|SYS_ADMIN))",
            ),
            (Command, r"{start}nsenter\s{args}(?:-t\s*1|--target[=\s]1)\b"),
        ],
        hits: &[
            (Command, "docker run -v /var/run/docker.sock:/var/run/docker.sock app"),
            (Command, "docker run --rm --privileged alpine sh"),
            (Command, "docker run -v /:/host alpine chroot /host"),
            (Command, "nsenter -t 1 -m -u sh"),
        ],
        misses: &[(Command, "docker run -v /srv/data:/data app"), (Command, "docker build -t app:1 .")],
    },
    Rule {
        id: "AG-PRIV-003",
        level: High,
        reason: "Gives a program or user lasting administrator rights.",
        categories: &["privilege", "persistence"],
        attack: &["T1548.001", "T1098"],
        patterns: &[
            (Command, r"{start}chmod\s(?:{args}\s)?(?:[ug]*\+[rwx]*s|[24567][0-7]{3}){end}"),
            (Command, r"(?:>|{start}tee\s){args}(?:/etc/sudoers|/etc/passwd|authorized_keys)|NOPASSWD"),
            (Command, r"{start}(?:usermod|gpasswd|adduser)\s{args}(?:sudo|wheel|docker|root){end}"),
            (Write, r"/etc/sudoers|^/etc/passwd$|\.ssh/authorized_keys$"),
        ],
        hits: &[
            (Command, "chmod u+s /tmp/sh"),
            (Command, "echo 'dev ALL=(ALL) NOPASSWD: ALL' | sudo tee /etc/sudoers.d/dev"),
            (Command, "echo ssh-ed25519 AAAA >> ~/.ssh/authorized_keys"),
            (Command, "usermod -aG docker dev"),
            (Write, "/home/dev/.ssh/authorized_keys"),
        ],
        misses: &[
            (Command, "chmod 0755 run.sh"),
            (Command, "cat /etc/passwd"),
            (Command, "chmod u+x a"),
            (Write, "/w/docs/sudoers.md"),
        ],
    },
    Rule {
        id: "AG-PRIV-004",
        level: High,
        reason: "Gives out rights in a cloud account or cluster.",
        categories: &["privilege", "cloud"],
        attack: &["T1098.003"],
        patterns: &[
            (
                Command,
                r"{start}aws\s+iam\s+(?:attach-\w+-policy|put-\w+-policy|create-access-key|create-login-profile|add-user-to-group|update-assume-role-policy)",
            ),
            (Command, r"{start}kubectl\s{args}create\s+(?:clusterrolebinding|rolebinding)"),
            (Command, r"{start}(?:gcloud\s{args}add-iam-policy-binding|az\s+role\s+assignment\s+create)"),
        ],
        hits: &[
            (Command, "az role assignment create --role Owner --assignee x"),
            (
                Command,
                "aws iam attach-user-policy --user-name x --policy-arn arn:aws:iam::aws:policy/AdministratorAccess",
            ),
            (Command, "kubectl create clusterrolebinding x --clusterrole=cluster-admin --user=x"),
        ],
        misses: &[(Command, "aws iam list-users"), (Command, "kubectl get clusterrolebindings")],
    },
];
