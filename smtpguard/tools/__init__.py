"""What list admins work with besides an editor: new files, safe changes, tables, schemas, the page for members."""
