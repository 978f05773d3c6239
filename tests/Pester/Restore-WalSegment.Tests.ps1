BeforeAll {
    . $PSScriptRoot/Common.ps1
}

Describe 'Restore-WalSegment' {
    BeforeAll {
        $archive = New-FolderArchive
        $wal = Join-Path $TestDrive 'pg_wal'
        $names = 1..4 | ForEach-Object { "00000001000000000000000$_" }
        $names | ForEach-Object { New-WalSegment $wal $_ } | Push-WalSegment -Setting $archive | Out-Null
    }

    BeforeEach {
        $to = Join-Path $TestDrive ([guid]::NewGuid().ToString('N'))
        $null = New-Item -ItemType Directory $to
    }

    Context 'what it emits' {
        It 'is one typed object a file, of the declared output type' {
            $file = Join-Path $to 'RECOVERYXLOG'
            $result = Restore-WalSegment $names[0] $file -Setting $archive
            $result.GetType().FullName | Should -BeExactly 'WalRus.Cmdlets.PgRestoredWal'
            (Get-Command Restore-WalSegment).OutputType.Type | Should -Be $result.GetType()
            $result.Name | Should -BeExactly $names[0]
            $result.Destination | Should -BeExactly $file
            $result.Source | Should -Be 'Archive'
            $result.Bytes | Should -Be 1MB
            (Get-FileHash $file).Hash | Should -Be (Get-FileHash (Join-Path $wal $names[0])).Hash
        }

        It 'goes through Export-Csv and ConvertTo-Json whole and without warnings' {
            $result = Restore-WalSegment $names[0] $to -Setting $archive
            $row = $result | ConvertTo-Csv | ConvertFrom-Csv
            $row.Source | Should -Be 'Archive'
            $row.Key | Should -BeExactly "wal_005/$($names[0]).lz4"
            $null = $result | ConvertTo-Json -EnumsAsStrings -WarningVariable warnings -WarningAction SilentlyContinue
            $warnings | Should -BeNullOrEmpty
        }

        It 'prints as a table' {
            Restore-WalSegment $names[0] $to -Setting $archive | Out-String -Width 160 |
                Should -Match "(?s)Name\s+Source\s+Size\s+Duration\s+Destination.*$($names[0])\s+Archive\s+1\.0 MB"
        }
    }

    Context 'the pipeline' {
        It 'takes names by value and puts each below a folder' {
            $results = $names | Restore-WalSegment -Destination $to -Setting $archive
            $results.Name | Should -Be $names
            Get-FileList $to | Should -Be $names
        }

        It 'takes names and destinations by property name' {
            $results = $names[0..1] | ForEach-Object { [pscustomobject] @{ Name = $_; Destination = Join-Path $to "$_.copy" } } | Restore-WalSegment -Setting $archive
            $results.Count | Should -Be 2
            Get-FileList $to | Should -Be ($names[0..1] | ForEach-Object { "$_.copy" })
        }

        It 'goes on after a file that the archive does not hold' {
            $results = @('0000000100000000000000EE', $names[1] | Restore-WalSegment -Destination $to -Setting $archive -ErrorAction SilentlyContinue -ErrorVariable failed)
            $results.Name | Should -Be $names[1]
            $failed.Count | Should -Be 1
        }

        It 'works in parallel runspaces' {
            $results = $names | ForEach-Object -ThrottleLimit 4 -Parallel {
                Import-Module $using:ModulePath
                $_ | Restore-WalSegment -Destination $using:to -Setting $using:archive
            }
            $results.Name | Sort-Object | Should -Be $names
        }

        It 'runs under strict mode and in a location of another drive' {
            Set-StrictMode -Version Latest
            Push-Location env:
            try { { Restore-WalSegment $names[0] $to -Setting $archive } | Should -Not -Throw } finally { Pop-Location }
        }
    }

    Context 'caution' {
        It 'changes nothing with -WhatIf' {
            Restore-WalSegment $names[0] $to -Setting $archive -WhatIf | Should -BeNullOrEmpty
            Get-FileList $to | Should -BeNullOrEmpty
        }

        It 'leaves an existing file as it was when the archive holds no such segment' {
            $file = Join-Path $to 'kept'
            Set-Content $file 'kept'
            Restore-WalSegment 0000000100000000000000EE $file -Setting $archive -ErrorAction SilentlyContinue
            Get-Content $file | Should -Be 'kept'
            Get-FileList $to | Should -Be 'kept'
        }
    }

    Context 'errors' {
        It 'reports a file the archive does not hold as WalSegmentNotFound' {
            Restore-WalSegment 0000000100000000000000EE $to -Setting $archive -ErrorAction SilentlyContinue -ErrorVariable failed
            $failed[0].FullyQualifiedErrorId | Should -BeExactly 'WalSegmentNotFound,WalRus.Cmdlets.RestoreWalSegmentCommand'
            $failed[0].CategoryInfo.Category | Should -Be 'ObjectNotFound'
            $failed[0].TargetObject | Should -BeExactly '0000000100000000000000EE'
            $failed[0].ErrorDetails.RecommendedAction | Should -Not -BeNullOrEmpty
            Get-FileList $to | Should -BeNullOrEmpty
        }

        It 'reports an object that is damaged and leaves no file' {
            $damaged = New-FolderArchive
            $null = Push-WalSegment (Join-Path $wal $names[0]) -Setting $damaged
            $object = Join-Path $damaged.WALG_FILE_PREFIX 'wal_005' "$($names[0]).lz4"
            $bytes = [IO.File]::ReadAllBytes($object)
            [IO.File]::WriteAllBytes($object, $bytes[0..($bytes.Length / 2)])
            Restore-WalSegment $names[0] $to -Setting $damaged -ErrorAction SilentlyContinue -ErrorVariable failed
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'ObjectCorrupt,*'
            $failed[0].CategoryInfo.Category | Should -Be 'InvalidData'
            Get-FileList $to | Should -BeNullOrEmpty
        }

        It 'refuses a name that is no WAL file''s, whatever path it hides' {
            Restore-WalSegment '../../etc/passwd' $to -Setting $archive -ErrorAction SilentlyContinue -ErrorVariable failed
            $failed[0].FullyQualifiedErrorId | Should -BeLike 'WalSegmentInvalid,*'
        }

        It 'ends the pipeline when the store is not there' {
            { $names | Restore-WalSegment -Destination $to -Setting @{ WALG_FILE_PREFIX = Join-Path $TestDrive 'missing' } } |
                Should -Throw -ErrorId 'StoreNotFound,*'
        }
    }

    Context 'Ctrl+C' {
        It 'stops within a second and leaves nothing half-written' {
            # A prefetch that grows and never ends: the fetch waits for it.
            $running = Join-Path $to '.wal-g' 'prefetch' 'running'
            $null = New-Item -ItemType Directory $running -Force
            $file = [IO.File]::Open((Join-Path $running $names[0]), 'Create', 'Write', 'ReadWrite')
            try {
                $begun = [datetime]::UtcNow.AddSeconds(1.5)
                $stopped = Stop-RunningPipeline { param($n, $t, $a) Restore-WalSegment $n $t -Setting $a } $names[0], (Join-Path $to 'RECOVERYXLOG'), $archive -Started {
                    $file.WriteByte(1)
                    $file.Flush()
                    [datetime]::UtcNow -gt $begun
                }
                $stopped.RanToItsEnd | Should -BeFalse
                $stopped.State | Should -Be 'Stopped'
                $stopped.Errors | Should -BeNullOrEmpty
                $stopped.StopTime.TotalSeconds | Should -BeLessThan 1
                Join-Path $to 'RECOVERYXLOG' | Should -Not -Exist
            }
            finally { $file.Dispose() }
        }
    }

    Context 'as restore_command' {
        It 'exits with 0 from -Command when the file is there, and 1 when the archive does not hold it' {
            $file = Join-Path $to 'RECOVERYXLOG'
            $script = "Import-Module '$ModulePath'; Restore-WalSegment {0} '$file'"
            $ran = Invoke-Pwsh '-Command', ($script -f $names[0]) -Environment $archive
            $ran.Errors | Should -BeNullOrEmpty
            $ran.ExitCode | Should -Be 0
            $file | Should -Exist
            (Invoke-Pwsh '-Command', ($script -f '0000000100000000000000EE') -Environment $archive).ExitCode | Should -Be 1
        }

        It 'exits with 0 and 1 from -File' {
            $script = Join-Path $TestDrive 'restore.ps1'
            "`$ErrorActionPreference = 'Stop'`nImport-Module '$ModulePath'`n`$null = Restore-WalSegment `$args[0] `$args[1]" | Set-Content $script
            (Invoke-Pwsh '-File', $script, $names[0], "$to/x" -Environment $archive).ExitCode | Should -Be 0
            (Invoke-Pwsh '-File', $script, '0000000100000000000000EE', "$to/y" -Environment $archive).ExitCode | Should -Be 1
        }
    }
}
