//! Lists as they are sent.

/// The list, unless it is empty: an empty list that is sent is a field that is owned.
pub fn unless_empty<T>(list: impl IntoIterator<Item = T>) -> Option<Vec<T>> {
    let list: Vec<T> = list.into_iter().collect();
    if list.is_empty() { None } else { Some(list) }
}
