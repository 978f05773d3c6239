BeforeDiscovery {
    . $PSScriptRoot/Common.ps1
    $missing = -not (Find-PostgresBin)
}

BeforeAll {
    . $PSScriptRoot/Common.ps1
}

Describe 'Test-WalArchive' -Skip:$missing {
    BeforeAll {
        $server = New-PostgresFolder
        $server.Environment.WALG_FILE_PREFIX = $server.Archive
        Initialize-Postgres $server ((Test-Path $Executable) ? "$Executable wal-push `"%p`"" :
            "$Pwsh -NoProfile -NonInteractive -Command `"Import-Module '$ModulePath'; Push-WalSegment '%p'`"")
        Start-Postgres $server
        $backup = Invoke-AsServer $server "New-BaseBackup '$($server.Data)'"
        Invoke-Sql $server 'CREATE TABLE t AS SELECT generate_series(1, 5000) AS n' | Out-Null
        $middle = Invoke-Sql $server 'SELECT pg_walfile_name(pg_switch_wal())'
        Invoke-Sql $server 'INSERT INTO t VALUES (-1)' | Out-Null
        $last = Invoke-Sql $server 'SELECT pg_walfile_name(pg_switch_wal())'
        Wait-Sql $server "SELECT coalesce(last_archived_wal >= '$last', false) FROM pg_stat_archiver"
        $whole = @{ WALG_FILE_PREFIX = $server.Archive }

        function Copy-Archive {
            $copy = @{ WALG_FILE_PREFIX = Join-Path $TestDrive ([guid]::NewGuid().ToString('N').Substring(0, 8)) }
            Copy-Item $server.Archive $copy.WALG_FILE_PREFIX -Recurse
            $copy
        }
    }

    AfterAll {
        Remove-Postgres $server
    }

    It 'says that all is there' {
        $check = Test-WalArchive -Setting $whole
        $check.Status, $check.Integrity, $check.TimelineStatus, $check.Timeline, $check.BackupName | Should -Be Ok, Ok, Ok, 1, $backup.Name
        "$($check.Range)" | Should -BeLike "*..$last Found"
        $check.GetType() | Should -BeIn (Get-Command Test-WalArchive).OutputType.Type
        $check | Out-String -Width 120 | Should -Match 'none'
    }

    It 'compares with the server, or with a position' {
        $setting = $whole + @{ PGHOST = $server.Folder; PGUSER = 'postgres'; PGDATABASE = 'postgres' }
        $asked = Test-WalArchive -FromServer -Setting $setting
        $asked.Status | Should -Be Ok
        $ahead = Test-WalArchive -Timeline 1 -Lsn 0/FF000000 -Setting $whole
        $ahead.Status | Should -Be Failure
        $ahead.Range[-1].Status | Should -Be MissingUploading
        (Test-WalArchive -Timeline 2 -Lsn 0/FF000000 -Setting $whole).TimelineStatus | Should -Be Failure
    }

    It 'names what is lost' {
        $copy = Copy-Archive
        Remove-Item (Join-Path $copy.WALG_FILE_PREFIX wal_005 "$middle.*")
        $check = Test-WalArchive -Setting ($copy + @{ WALG_UPLOAD_CONCURRENCY = 1 })
        $check.Status | Should -Be Failure
        ($check.Range | Where-Object Status -EQ MissingLost).First | Should -Be $middle
        (Test-WalArchive -Deep -Setting $copy | Where-Object Kind -EQ WalMissing).Object | Should -Be $middle
    }

    It 'finds nothing wrong when it reads everything, and says what it read' {
        Test-WalArchive -Deep -Setting $whole -Verbose 4>&1 | ForEach-Object ToString | Should -Match '^Read \d+ objects, .*1 backups\.$'
    }

    It 'finds a changed byte in <Kind>, with what to do' -ForEach @(
        @{ Kind = 'ObjectUnreadable'; Pattern = 'wal_005/0*.lz4' }
        @{ Kind = 'BackupPartDamaged'; Pattern = 'basebackups_005/*/tar_partitions/part_001.tar.lz4' }
        @{ Kind = 'BackupDocumentDamaged'; Pattern = 'basebackups_005/*/files_metadata.json' }
    ) {
        $copy = Copy-Archive
        $file = (Get-Item (Join-Path $copy.WALG_FILE_PREFIX $Pattern) | Sort-Object Length)[-1].FullName
        $bytes = [IO.File]::ReadAllBytes($file)
        $bytes[$bytes.Length / 2] = $bytes[$bytes.Length / 2] -bxor 0xFF
        [IO.File]::WriteAllBytes($file, $bytes)
        $finding = Test-WalArchive -Deep -Setting $copy
        $finding.Kind, $finding.Severity | Should -Be $Kind, Error
        Join-Path $copy.WALG_FILE_PREFIX $finding.Object | Should -Be $file
        $finding.RecommendedAction | Should -Not -BeNullOrEmpty
        $finding | Out-String -Width 160 | Should -Match $Kind
    }

    It 'reads one backup, from the pipeline too' {
        $copy = Copy-Archive
        Get-Item (Join-Path $copy.WALG_FILE_PREFIX wal_005 "$last.*") | ForEach-Object { Set-Content $_ 'x' }
        Get-BackupList -Latest -Setting $copy | Test-WalArchive -Deep -Setting $copy | Should -BeNullOrEmpty
        (Test-WalArchive -Deep -Setting $copy).Kind | Should -Be ObjectUnreadable
        { Test-WalArchive base_0000000100000000000000FF -Deep -Setting $copy -ErrorAction Stop } |
            Should -Throw -ErrorId 'BackupNotFound,WalRus.Cmdlets.TestWalArchiveCommand'
    }

    It 'says that an empty archive has no position' {
        { Test-WalArchive -Setting (New-FolderArchive) -ErrorAction Stop } |
            Should -Throw -ErrorId 'WalSegmentNotFound,WalRus.Cmdlets.TestWalArchiveCommand'
    }
}
