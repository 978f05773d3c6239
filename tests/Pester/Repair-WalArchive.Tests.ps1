BeforeDiscovery {
    . $PSScriptRoot/Common.ps1
    $missing = -not (Find-PostgresBin)
}

BeforeAll {
    . $PSScriptRoot/Common.ps1
}

Describe 'Repair-WalArchive' -Skip:$missing {
    BeforeAll {
        $server = New-PostgresFolder
        $server.Environment.WALG_FILE_PREFIX = $server.Archive
        Initialize-Postgres $server ((Test-Path $Executable) ? "$Executable wal-push `"%p`"" :
            "$Pwsh -NoProfile -NonInteractive -Command `"Import-Module '$ModulePath'; Push-WalSegment '%p'`"")
        Start-Postgres $server
        Invoke-Sql $server 'CREATE TABLE t AS SELECT generate_series(1, 5000) AS n' | Out-Null
        $null = Invoke-Sql $server 'SELECT pg_walfile_name(pg_switch_wal())'
        $lost = 1..2 | ForEach-Object {
            Invoke-Sql $server 'INSERT INTO t VALUES (-1)' | Out-Null
            Invoke-Sql $server 'SELECT pg_walfile_name(pg_switch_wal())'
        }
        Invoke-Sql $server 'INSERT INTO t VALUES (-2)' | Out-Null
        $last = Invoke-Sql $server 'SELECT pg_walfile_name(pg_switch_wal())'
        Wait-Sql $server "SELECT coalesce(last_archived_wal >= '$last', false) FROM pg_stat_archiver"
        $other = @{ WALG_FILE_PREFIX = Join-Path $TestDrive 'other' }
        Copy-Item $server.Archive $other.WALG_FILE_PREFIX -Recurse
    }

    AfterAll {
        Remove-Postgres $server
    }

    BeforeEach {
        $archive = @{ WALG_FILE_PREFIX = Join-Path $TestDrive ([guid]::NewGuid().ToString('N').Substring(0, 8)) }
        Copy-Item $server.Archive $archive.WALG_FILE_PREFIX -Recurse
        $lost | ForEach-Object { Remove-Item (Join-Path $archive.WALG_FILE_PREFIX wal_005 "$_.*") }
    }

    It 'brings what is missing from the server, once' {
        $done = Repair-WalArchive $server.Data -Setting $archive
        $done.Name | Should -Be $lost
        $done.State | Should -Be Restored, Restored
        $done[0].Source | Should -Be (Join-Path $server.Data pg_wal)
        (Get-Command Repair-WalArchive).OutputType.Type | Should -Be $done[0].GetType()
        Repair-WalArchive $server.Data -Setting $archive | Should -BeNullOrEmpty
        (Get-WalTimeline -Setting $archive).Status | Should -Be OK
        Test-WalArchive -Deep -Setting $archive | Should -BeNullOrEmpty
    }

    It 'brings it from another store, by settings or by a configuration' {
        (Repair-WalArchive -SourceSetting $other -Setting $archive).State | Should -Be Restored, Restored
        Remove-Item (Join-Path $archive.WALG_FILE_PREFIX wal_005 "$($lost[1]).*")
        $configuration = New-WalRusConfiguration $other.WALG_FILE_PREFIX
        (Repair-WalArchive -SourceConfiguration $configuration -Setting $archive).Name | Should -Be $lost[1]
    }

    It 'says what would be done, and what is nowhere' {
        $before = Get-FileList $archive.WALG_FILE_PREFIX
        Repair-WalArchive $server.Data -Setting $archive -WhatIf | Should -BeNullOrEmpty
        Get-FileList $archive.WALG_FILE_PREFIX | Should -Be $before
        (Repair-WalArchive $TestDrive -Setting $archive).State | Should -Be NotFound, NotFound
    }

    It 'archives nothing that is not whole' {
        $folder = New-Item -ItemType Directory (Join-Path $TestDrive ([guid]::NewGuid().ToString('N')))
        $bytes = [IO.File]::ReadAllBytes((Join-Path $server.Data pg_wal $lost[0]))
        [Array]::Clear($bytes, 0, 8192)
        [IO.File]::WriteAllBytes((Join-Path $folder $lost[0]), $bytes)
        $done = Repair-WalArchive $folder -Setting $archive -ErrorAction SilentlyContinue -ErrorVariable failed
        $done.Name | Should -Be $lost[1]
        $failed.FullyQualifiedErrorId | Should -Be 'WalSegmentInvalid,WalRus.Cmdlets.RepairWalArchiveCommand'
        (Get-WalTimeline -Setting $archive).MissingCount | Should -Be 2
    }

    It 'needs somewhere to take it from' {
        { Repair-WalArchive -Setting $archive } | Should -Throw -ErrorId 'InvalidArgument,WalRus.Cmdlets.RepairWalArchiveCommand'
        { Repair-WalArchive (Join-Path $TestDrive 'nowhere') -Setting $archive -ErrorAction Stop } |
            Should -Throw -ErrorId 'FileNotFound,WalRus.Cmdlets.RepairWalArchiveCommand'
    }
}
