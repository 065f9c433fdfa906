//! Destruction of what runs in production: clouds, clusters, databases.

use super::Level::{High, Medium};
use super::Rule;
use super::Target::Command;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "AG-CLOUD-001",
        level: High,
        reason: "Tears down servers, clusters or storage.",
        categories: &["destruction", "cloud"],
        attack: &["T1485", "T1578"],
        patterns: &[
            (Command, r"{start}(?:terraform|tofu|terragrunt|pulumi|cdk)\s{args}destroy\b"),
            (Command, r"{start}terraform\s{args}apply\s{args}-destroy"),
            (
                Command,
                r"{start}kubectl\s{args}delete\s+(?:ns|namespaces?|pvc?|nodes?|deployments?|statefulsets?|crds?|--all)\b",
            ),
            (Command, r"{start}helm\s{args}(?:uninstall|delete)\s"),
            (
                Command,
                r"{start}aws\s{args}(?:terminate-instances|delete-(?:db-instance|db-cluster|bucket|stack|cluster|table|function))",
            ),
            (Command, r"{start}aws\s+s3\s+(?:rb\s|rm\s{args}--recursive)"),
            (Command, r"{start}gcloud\s{args}\sdelete\s|{start}gsutil\s{args}rm\s+-r|{start}az\s{args}group\s+delete"),
        ],
        hits: &[
            (Command, "terraform apply -destroy"),
            (Command, "helm uninstall payments"),
            (Command, "aws ec2 terminate-instances --instance-ids i-0abc"),
            (Command, "terraform destroy -auto-approve"),
            (Command, "kubectl -n prod delete namespace payments"),
            (Command, "aws s3 rb s3://backups --force"),
            (Command, "gcloud compute instances delete web-1 --quiet"),
        ],
        misses: &[
            (Command, "terraform plan"),
            (Command, "kubectl delete pod web-1"),
            (Command, "aws s3 ls"),
            (Command, "kubectl get ns"),
        ],
    },
    Rule {
        id: "AG-CLOUD-002",
        level: High,
        reason: "Deletes a database, a table or all rows of a table.",
        categories: &["destruction", "database"],
        attack: &["T1485"],
        patterns: &[
            (Command, r"(?i)\bdrop\s+(?:database|schema|table)\s"),
            (Command, r"(?i)\btruncate\s+(?:table\s+)?\w+\s*[;'\x22]"),
            (Command, r"(?i)\bdelete\s+from\s+[\w.]+\s*(?:;|'|\x22|$)"),
            (Command, r"(?i){start}(?:dropdb|mongo\S*\s{args}dropDatabase|redis-cli\s{args}(?:flushall|flushdb))"),
        ],
        hits: &[
            (Command, "mysql -e 'TRUNCATE TABLE orders;'"),
            (Command, "psql -c 'DROP TABLE users;'"),
            (Command, "mysql -e \"delete from orders\""),
            (Command, "redis-cli FLUSHALL"),
            (Command, "dropdb billing"),
        ],
        misses: &[
            (Command, "psql -c 'select 1'"),
            (Command, "psql -c 'delete from orders where id = 7'"),
            (Command, "truncate -s 10 file"),
        ],
    },
    Rule {
        id: "AG-CLOUD-003",
        level: Medium,
        reason: "Publishes a package or image that others will install.",
        categories: &["supply-chain"],
        attack: &["T1195.002"],
        patterns: &[(
            Command,
            r"{start}(?:(?:npm|pnpm|yarn|cargo|poetry|gem)\s+(?:publish|push)|twine\s+upload|docker\s+push|helm\s+push)\b",
        )],
        hits: &[
            (Command, "npm publish --access public"),
            (Command, "cargo publish"),
            (Command, "docker push registry.example.com/app:1"),
        ],
        misses: &[(Command, "npm ci"), (Command, "cargo package"), (Command, "docker pull app")],
    },
];
