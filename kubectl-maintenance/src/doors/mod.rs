//! The front doors of what is switched: which there are, and what they answer.
