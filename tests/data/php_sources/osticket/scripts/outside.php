<?php
// Stands beside upload/, as osTicket's scripts do; it belongs into no image.
