// Erasures among entries that do not count.
