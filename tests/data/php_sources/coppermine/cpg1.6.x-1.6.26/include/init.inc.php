<?php
define('COPPERMINE_VERSION', '1.6.26');
if (!file_exists('include/config.inc.php')) {
    exit('not installed');
}
require 'include/config.inc.php';
$database = mysqli_connect($CONFIG['dbserver'], $CONFIG['dbuser'], $CONFIG['dbpass'], $CONFIG['dbname']);
