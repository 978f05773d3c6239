# The main job with nothing but cmdlets: archive, back up, change, destroy, restore to a moment, compare.
BeforeDiscovery {
    . $PSScriptRoot/Common.ps1
    $missing = -not (Get-Command New-BaseBackup, Restore-PgBackup -ErrorAction Ignore) -or -not (Find-PostgresBin)
    $ways = @(
        @{ Way = 'pwsh with the module'; Store = 'a folder' }
        @{ Way = 'a script of pwsh -File'; Store = 'a folder' }
        @{ Way = 'the walrus executable'; Store = 'a folder' }
        @{ Way = 'pwsh with the module'; Store = 'a bucket' }
    )
}

BeforeAll {
    . $PSScriptRoot/Common.ps1

    function Get-Fingerprint($Server) {
        Invoke-Sql $Server "SELECT count(*) || ' ' || md5(string_agg(t::text, '' ORDER BY t::text)) FROM orders AS t"
    }
}

AfterAll {
    Stop-S3
}

Describe 'The main job, archiving by <Way> to <Store>' -ForEach $ways -Skip:$missing {
    BeforeAll {
        # What It assigns is gone when it ends; what it adds to this stays.
        $clusters = [Collections.Generic.List[object]]::new()
    }

    AfterAll {
        $clusters | ForEach-Object { Remove-Postgres $_ }
    }

    It 'brings back what was there at a named moment' {
        if ($Way -like '*executable' -and -not (Test-Path $Executable)) { Set-ItResult -Skipped -Because "$Executable is not built" }
        $setting = $Store -eq 'a bucket' ? (New-S3Archive) : @{}
        if ($null -eq $setting) { Set-ItResult -Skipped -Because $NoS3 }
        # Without -RestoreCommand the restored server gets one that calls walrus if it is on PATH, else this module.
        $archiveCommand, $restoreCommand = if ($Way -like '*executable') {
            "$Executable wal-push `"%p`""
            "-RestoreCommand '$Executable wal-fetch `"%f`" `"%p`"'"
        }
        elseif ($Way -like '*-File') {
            # As about_WalRus has them; a space in their folder, which the shell must not split at.
            $scripts = Join-Path $TestDrive 'two words'
            $null = New-Item -ItemType Directory $scripts -Force
            "`$ErrorActionPreference = 'Stop'`nImport-Module '$ModulePath'`n`$null = Push-WalSegment `$args[0]" | Set-Content "$scripts/archive.ps1"
            "`$ErrorActionPreference = 'Stop'`nImport-Module '$ModulePath'`n`$null = Restore-WalSegment `$args[0] `$args[1]" | Set-Content "$scripts/restore.ps1"
            if ($RunsAsRoot) { & chmod -R a+rX $TestDrive }
            "$Pwsh -NoProfile -NonInteractive -File `"$scripts/archive.ps1`" `"%p`""
            "-RestoreCommand '$Pwsh -NoProfile -NonInteractive -File `"$scripts/restore.ps1`" `"%f`" `"%p`"'"
        }
        else {
            "$Pwsh -NoProfile -NonInteractive -Command `"Import-Module '$ModulePath'; Push-WalSegment '%p'`""
            ''
        }

        $server = New-PostgresFolder
        $clusters.Add($server)
        if (-not $setting.Count) { $setting = @{ WALG_FILE_PREFIX = $server.Archive } }
        $setting.GetEnumerator() | ForEach-Object { $server.Environment[$_.Key] = $_.Value }
        Initialize-Postgres $server $archiveCommand
        Start-Postgres $server

        Invoke-Sql $server 'CREATE TABLE orders AS SELECT n AS id, md5(n::text) AS note FROM generate_series(1, 5000) AS n' | Out-Null
        $backup = Invoke-AsServer $server "New-BaseBackup '$($server.Data)'"
        Invoke-Sql $server "UPDATE orders SET note = 'changed' WHERE id % 3 = 0; INSERT INTO orders SELECT n, 'more' FROM generate_series(5001, 6000) AS n" | Out-Null
        $expected = Get-Fingerprint $server
        Invoke-Sql $server "SELECT pg_create_restore_point('the_moment')" | Out-Null
        Invoke-Sql $server 'DELETE FROM orders WHERE id > 10' | Out-Null
        $last = Invoke-Sql $server 'SELECT pg_walfile_name(pg_switch_wal())'
        Wait-Sql $server "SELECT coalesce(last_archived_wal >= '$last', false) FROM pg_stat_archiver"
        Stop-PostgresHard $server
        Remove-Item $server.Data -Recurse -Force

        $restored = New-PostgresFolder
        $clusters.Add($restored)
        $setting.GetEnumerator() | ForEach-Object { $restored.Environment[$_.Key] = $_.Value }
        $result = Invoke-AsServer $restored "Restore-PgBackup '$($restored.Data)' -TargetName the_moment $restoreCommand"
        $result.DataDirectory | Should -BeExactly $restored.Data
        "$($result.Name)" | Should -BeExactly $backup.Name
        Set-PostgresConfiguration $restored ''
        Start-Postgres $restored
        Wait-Sql $restored 'SELECT NOT pg_is_in_recovery()'
        Get-Fingerprint $restored | Should -BeExactly $expected
        Invoke-Sql $restored "INSERT INTO orders VALUES (-1, 'writable')" | Out-Null
    }
}
