<?php
// A stand-in: what every page begins with.
require __DIR__ . '/bootstrap.php';
require INCLUDE_DIR . 'ost-config.php';
$database = mysqli_connect(DBHOST, DBUSER, DBPASS, DBNAME);
