//! The integrity of the code: history, checks, and what builds it.

use super::Level::{Low, Medium};
use super::Rule;
use super::Target::{Command, Write};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "AG-CODE-001",
        level: Medium,
        reason: "Overwrites the history of a shared branch; commits of others can be lost.",
        categories: &["code-integrity"],
        attack: &["T1565.001"],
        patterns: &[
            (
                Command,
                r"{start}git\s(?:{args}\s)?push\s(?:{args}\s)?(?:--force(?:-with-lease\S*)?|-[a-z]*f[a-z]*|--mirror){end}",
            ),
            (Command, r"{start}git\s(?:{args}\s)?push\s(?:{args}\s)?\+[\w/-]+"),
        ],
        hits: &[
            (Command, "git push --force origin main"),
            (Command, "cd app && git push -f"),
            (Command, "git push origin +main"),
        ],
        misses: &[
            (Command, "git push origin main"),
            (Command, "git fetch --force"),
            (Command, "git push origin feature/a-fix"),
        ],
    },
    Rule {
        id: "AG-CODE-002",
        level: Medium,
        reason: "Goes around checks or signatures that guard the code.",
        categories: &["code-integrity", "guardrail-bypass"],
        attack: &["T1562"],
        patterns: &[
            (Command, r"{start}git\s{args}(?:--no-verify|--no-gpg-sign|commit\.gpgsign=false)"),
            (Command, r"{start}git\s(?:{args}\s)?commit\s(?:{args}\s)?-n{end}"),
            (Command, r"{start}(?:HUSKY=0|HUSKY_SKIP_HOOKS=1|SKIP=\S+\s+git)|core\.hooksPath[\s=]+/dev/null"),
            (
                Command,
                r"{start}(?:gh\s+api|curl)\s{args}branches/\S+/protection{args}(?:DELETE)|DELETE{args}branches/\S+/protection",
            ),
            (Command, r"{start}gh\s+pr\s+merge\s{args}--admin"),
        ],
        hits: &[
            (Command, "git commit -n -m wip"),
            (Command, "gh api repos/x/y/branches/main/protection -X DELETE"),
            (Command, "git commit --no-verify -m wip"),
            (Command, "HUSKY=0 git push"),
            (Command, "gh pr merge 7 --admin"),
        ],
        misses: &[(Command, "git commit -m 'verify totals'"), (Command, "gh pr merge 7 --squash")],
    },
    Rule {
        id: "AG-CODE-003",
        level: Medium,
        reason: "Changes what the build runs, which runs later with the rights of the build.",
        categories: &["code-integrity", "supply-chain"],
        attack: &["T1195.002"],
        patterns: &[(
            Write,
            r"(?:^|/)(?:\.github/(?:workflows|actions)/|\.gitlab-ci\.yml$|\.circleci/|Jenkinsfile$|azure-pipelines\.yml$|\.git/hooks/|\.husky/|CODEOWNERS$|\.pre-commit-config\.yaml$)",
        )],
        hits: &[(Write, ".github/workflows/release.yml"), (Write, "/w/app/.git/hooks/pre-push"), (Write, "CODEOWNERS")],
        misses: &[(Write, "docs/github/workflows.md"), (Write, "src/main.rs")],
    },
    Rule {
        id: "AG-CODE-004",
        level: Low,
        reason: "Throws away local work that has not been committed or pushed.",
        categories: &["destruction", "code-integrity"],
        attack: &["T1485"],
        patterns: &[(
            Command,
            r"{start}git\s(?:{args}\s)?(?:reset\s{args}--hard|clean\s(?:{args}\s)?-[a-zA-Z]*f|checkout\s+(?:--\s+)?\.(?:\s|$)|branch\s+(?:{args}\s)?-D\s|stash\s+(?:drop|clear)|filter-branch|filter-repo)",
        )],
        hits: &[
            (Command, "git reset --hard HEAD~3"),
            (Command, "git clean -fdx"),
            (Command, "git branch -D feature/x"),
        ],
        misses: &[(Command, "git reset HEAD a.txt"), (Command, "git clean -n"), (Command, "git branch -d done")],
    },
];
