<?php
// A stand-in: what the database holds of the gallery.
require 'include/init.inc.php';
[$site] = $database->query("SELECT value FROM {$CONFIG['TABLE_PREFIX']}config WHERE name = 'ecards_more_pic_target'")
    ->fetch_row();
echo "stand-in for Coppermine at $site";
