"""What ``ringacc.collector`` stands on: values, names, declared types, objects, restoring, config files.

``values`` has what a file may hold, ``tree`` the names of entries, ``typefit`` whether a saved value fits a declared
type, ``parameters`` the objects that parameters are read from, ``restore`` what becomes of each saved entry,
``configfile`` the files. All of it is standard library only. May not be here: anything about rows.
"""
