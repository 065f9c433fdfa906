//! What the files look like afterwards, and what the errors say.

use std::io::IoSlice;
use std::os::unix::fs::PermissionsExt;

use super::*;

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_key_is_readable_by_its_owner_only_and_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    create_new(&path, b"secret", Mode::Private).unwrap();
    assert_eq!(mode_of(&path), 0o600);
    let again = create_new(&path, b"other", Mode::Private).unwrap_err();
    assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(read(&path, 100).unwrap().unwrap(), b"secret");
}

#[test]
fn a_new_folder_is_private_with_all_its_parents() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("a/b");
    create_dir(&deep).unwrap();
    create_dir(&deep).unwrap();
    assert_eq!((mode_of(&deep), mode_of(&dir.path().join("a"))), (0o700, 0o700));
}

#[test]
fn an_atomic_write_replaces_all_and_leaves_no_temporary_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    write_atomic(&path, b"a long first content", Mode::Shared).unwrap();
    replace(&path, b"short", Mode::Shared).unwrap();
    assert_eq!(read(&path, 100).unwrap().unwrap(), b"short");
    assert_eq!(list(dir.path()).unwrap(), [path]);
}

#[test]
fn an_error_names_the_path_and_what_was_tried() {
    let error = write_atomic(Path::new("/proc/nowhere/file"), b"", Mode::Shared).unwrap_err().to_string();
    assert!(error.starts_with("cannot create /proc/nowhere/file.tmp: "), "{error}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("big");
    create_new(&path, &[0; 11], Mode::Shared).unwrap();
    assert!(read(&path, 10).unwrap_err().to_string().ends_with("big: larger than 10 bytes"));
    assert!(read(&path, 11).unwrap().is_some());
}

#[test]
fn the_second_to_lock_a_folder_is_told_who_has_it() {
    let dir = tempfile::tempdir().unwrap();
    assert!(!is_locked(dir.path()));
    let lock = lock_dir(dir.path()).unwrap();
    assert!(is_locked(dir.path()));
    let error = lock_dir(dir.path()).unwrap_err().to_string();
    let expected = format!("data_dir {} is in use by process {}", dir.path().display(), std::process::id());
    assert_eq!(error, expected);
    drop(lock);
    assert!(!is_locked(dir.path()));
    lock_dir(dir.path()).unwrap();
}

#[test]
fn many_parts_are_appended_in_order_beyond_what_one_call_takes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    let file = AppendFile::create(&path).unwrap();
    let parts: Vec<[u8; 4]> = (0..5000_u32).map(u32::to_be_bytes).collect();
    let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    file.append(&mut slices).unwrap();
    file.append(&mut [IoSlice::new(b""), IoSlice::new(b"end")]).unwrap();
    file.sync().unwrap();
    let expected: Vec<u8> = parts.concat().into_iter().chain(*b"end").collect();
    assert_eq!(fs::read(&path).unwrap(), expected);
    file.truncate(2).unwrap();
    file.append(&mut [IoSlice::new(b"x")]).unwrap();
    assert_eq!(fs::read(&path).unwrap(), [0, 0, b'x']);
}
