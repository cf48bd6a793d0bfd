<?php
require '../main.inc.php';
$found = $database->execute_query('SELECT passwd FROM ' . TABLE_PREFIX . 'staff WHERE username = ?', [$_POST['userid']]);
echo password_verify($_POST['passwd'], $found->fetch_row()[0] ?? '') ? 'signed in' : 'access denied';
