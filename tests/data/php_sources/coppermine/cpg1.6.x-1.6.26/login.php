<?php
require 'include/init.inc.php';
$found = $database->execute_query(
    "SELECT user_password FROM {$CONFIG['TABLE_PREFIX']}users WHERE user_name = ?",
    [$_POST['username']]
);
echo password_verify($_POST['password'], $found->fetch_row()[0] ?? '') ? 'signed in' : 'access denied';
