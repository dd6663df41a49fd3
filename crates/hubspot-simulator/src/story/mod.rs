//! A believable working day.
